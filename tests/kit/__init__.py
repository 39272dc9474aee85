"""Tests of `zrm.kit`."""
