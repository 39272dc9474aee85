"""Tests of the fax channel."""
