"""One file that holds a server's books and, sealed with a passphrase, its keys; and the way back from it."""
