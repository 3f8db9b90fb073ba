"""synthetic: a user that is no person; it sends messages, and tells whether every gateway shows them, and who is to
blame if not.
"""
