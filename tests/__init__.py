"""The tests of ZRM: beside each room its own, `journeys` for whole paths, `lab` for the real peers."""
