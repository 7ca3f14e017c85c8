"""The vision tower with an embedding for every place as a second output, for heat maps.

The projection is applied to each place. Where the network averages over places (FastViT), the picture's embedding is the mean of
them, so that no weight is needed twice. A ViT's embedding is that of its class token; its places are the patches, projected
in the same way, which it was never trained for.
"""

from torch import nn

OUTPUT = "dense_embeds"


class DenseVisionTower(nn.Module):
    """pixel_values [batch, 3, size, size] -> [batch, dim] and [batch, dim, rows, columns]"""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        trunk = self.model.visual.trunk
        features = trunk.forward_features(pixel_values)
        if features.ndim == 4:
            places = trunk.get_classifier()(features.flatten(2).transpose(1, 2))  # [batch, rows * columns, dim]
            return places.mean(1), places.transpose(1, 2).unflatten(2, features.shape[2:])
        tokens = trunk.get_classifier()(trunk.fc_norm(features))
        rows, columns = trunk.patch_embed.grid_size
        return tokens[:, 0], tokens[:, trunk.num_prefix_tokens :].transpose(1, 2).unflatten(2, (rows, columns))
