"""The contracts of the reference application: what each agent takes, returns and refuses.

Pure and small, because workflows import them into the sandbox, and callers to start a task.
"""
