"""What passes between the channels and the installation: the records, the errors and the ports that both sides know.

Ground level, because T1 (inbox), T2 (normalizer), T4 (dispatch) and every channel use them and none may import another.
Whoever needs a name imports it from the module that holds it; nothing is exported here a second time, so that an import
says what a file deals with.
"""
