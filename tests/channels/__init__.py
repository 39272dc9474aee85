"""Tests of `zrm.channels`."""
