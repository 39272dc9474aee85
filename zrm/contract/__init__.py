"""What passes between the channels and the installation: the records, errors and ports that both sides know.

The inbox (T1), normalizer (T2), dispatch (T4) and every channel use these modules, and none of them may import another.
Import each name from the module that defines it: nothing is re-exported, so an import shows what a file deals with.
"""
