"""How the bundled weights are made: from the manifest to `weights/`, in one command. See README.md."""
