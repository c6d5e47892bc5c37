"""Collections of labelled images: reading what people have, splitting it by lesion, drawing synthetic ones."""
