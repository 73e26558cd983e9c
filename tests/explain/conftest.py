from tests.cli.conftest import insitu, wasm

__all__ = ["insitu", "wasm"]
