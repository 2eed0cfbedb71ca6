"""What a stored run consists of: its manifest, its rows and its samples, as types. Reads no store."""
