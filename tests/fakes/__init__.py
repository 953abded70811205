"""Fakes of the kernel's ports."""

from tests.fakes.registry import FakeRegistry

__all__ = ["FakeRegistry"]
