"""The recorded results on ZipWorld: rows measured once, kept, and put into one document."""
