"""Which pictures a batch shows."""
import numpy as np

# how often a concept is shown: things most, the many look-alikes (259 country flags, clock faces, gendered people) less
SUBGROUP_WEIGHTS = {"country-flag": 0.2, "time": 0.6, "alphanum": 0.5, "keycap": 0.5}
GROUP_WEIGHTS = {1: 0.6, 8: 0.7}


def concept_weights(concepts, subgroups):
    return np.array([SUBGROUP_WEIGHTS.get(subgroups[str(c["subgroup"])], GROUP_WEIGHTS.get(c["group"], 1.0)) for c in concepts])


class PictureSampler:
    """Concepts by weight, none twice in a batch, and one picture of each."""

    def __init__(self, concept, rows, weights, rng):
        self.rng, self.rows = rng, {}
        for r in rows:
            self.rows.setdefault(int(concept[r]), []).append(int(r))
        self.keys = np.array(sorted(self.rows))
        self.weights = weights[self.keys] / weights[self.keys].sum()

    def batch(self, count):
        chosen = self.rng.choice(self.keys, count, replace=False, p=self.weights)
        return chosen, [self.rows[int(c)][self.rng.randint(len(self.rows[int(c)]))] for c in chosen]
