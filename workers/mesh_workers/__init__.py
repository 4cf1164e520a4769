"""Composition roots: which implementation serves which contract. `app` is the whole reference application."""

from mesh_agents.accounts import accounts
from mesh_agents.inventory import inventory
from mesh_agents.notification import notification
from mesh_agents.order import order
from mesh_agents.payment import payment
from sagamesh import App, Helper, Mesh

__all__ = ["app"]

app = App(
    mesh=Mesh(accounts, inventory, payment, notification),
    tasks=(order,),
    contracts=("mesh_agents",),
    workflows=("mesh_workflows.order:Order",),
    pools={
        "accounts": "mesh_workers.accounts:pool",
        "inventory": "mesh_workers.inventory:pool",
        "payment": "mesh_workers.payment:pool",
        "notification": "mesh_workers.notification:pool",
        "orders": "mesh_workers.orders:pool",
    },
    helpers=(
        Helper(
            name="gateway",
            module="mesh_workers.sandbox.gateway",
            port=7301,
            ready_path="/health",
            provides={
                "SAGAMESH_PAYMENT_URL": "http://127.0.0.1:{port}",
                # Any key of this form opens the sandbox; it is no secret.
                "SAGAMESH_PAYMENT_KEY": "sk_test_sandbox",
            },
            link="http://127.0.0.1:{port}/",
        ),
        Helper(
            name="mailbox",
            module="mesh_workers.sandbox.mailbox",
            port=7302,
            http_port=7303,
            ready_path="/health",
            provides={
                "SAGAMESH_MAIL_HOST": "127.0.0.1",
                "SAGAMESH_MAIL_PORT": "{port}",
                "SAGAMESH_MAIL_TLS": "none",
                # For those who read what has arrived; the pools do not.
                "SAGAMESH_MAIL_SANDBOX": "http://127.0.0.1:{http_port}",
            },
            link="http://127.0.0.1:{http_port}/",
        ),
    ),
    embedded={
        "SAGAMESH_ACCOUNTS_DATABASE": "sqlite+aiosqlite:///{dir}/accounts.db",
        "SAGAMESH_ACCOUNTS_SEED": "demo",
        "SAGAMESH_INVENTORY_DATABASE": "sqlite+aiosqlite:///{dir}/inventory.db",
        "SAGAMESH_INVENTORY_SEED": "demo",
        "SAGAMESH_PAYMENT_DATABASE": "sqlite+aiosqlite:///{dir}/payment.db",
        "SAGAMESH_MAIL_DATABASE": "sqlite+aiosqlite:///{dir}/notification.db",
    },
    checks="mesh_workers.checks:check",
    databases={
        "accounts": "SAGAMESH_ACCOUNTS_DATABASE",
        "inventory": "SAGAMESH_INVENTORY_DATABASE",
        "payment": "SAGAMESH_PAYMENT_DATABASE",
        "notification": "SAGAMESH_MAIL_DATABASE",
    },
)
