"""Inventory in two zones, each with a warehouse of its own; the order task goes on with the one in no zone."""

from mesh_agents.inventory import inventory

inventory_eu = inventory.in_zone("eu", tags=["cold-storage"], cost=2)
inventory_us = inventory.in_zone("us", cost=1)
