"""Tests of `zrm.normalizer`."""
