"""What several rooms share: upload, downloads, the status line, the connection, scripts and styles."""
