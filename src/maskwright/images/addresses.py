"""Addresses that fsspec reads: s3://bucket/images, gs://, sftp:// and others."""

from __future__ import annotations

from typing import Any

from maskwright.errors import InputError, MissingExtra
from maskwright.extras import how_to_install


def filesystem(address: str) -> tuple[Any, str]:
    """The file system of fsspec that an address belongs to, and the path in it.

    MissingExtra without fsspec, or without what it needs for this kind; InputError for a kind that it does not know.
    """
    try:
        import fsspec
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtra(
            "addresses of this kind need the package fsspec", got=address, fix=how_to_install("maskwright[urls]")
        ) from error
    scheme = address.split("://", 1)[0].split("::", 1)[0]
    if scheme not in fsspec.available_protocols():
        raise InputError(
            f'"{scheme}" is no kind of address that can be read', got=address, expected="http, https, s3 …"
        )
    try:
        return url_to_fs(address)
    except ImportError as error:
        raise MissingExtra(
            f"{scheme}:// needs another package", got=error, fix="install it beside maskwright[urls]"
        ) from error
