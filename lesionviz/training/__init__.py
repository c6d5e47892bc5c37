"""From a collection to ``best_model.pth``: recipe, starting weights, augmentation and the loop."""
