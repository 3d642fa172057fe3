"""What an operator may look at and do, whatever the size: the parts behind `/admin`, the console and the commands."""
