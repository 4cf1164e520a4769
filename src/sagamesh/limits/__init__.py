"""Who may be called how often, and who comes first: rates, providers, tenants, priorities."""
