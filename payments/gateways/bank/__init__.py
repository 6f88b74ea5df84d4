"""Files that our bank gives us, in the forms that banks have for them."""
