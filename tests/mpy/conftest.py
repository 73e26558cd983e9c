from tests.cli.conftest import insitu

__all__ = ["insitu"]
