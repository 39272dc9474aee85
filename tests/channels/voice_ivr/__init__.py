"""The telephone door: the AGI fence, the conversation, the recordings folder, and real calls."""
