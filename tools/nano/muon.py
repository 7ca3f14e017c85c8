"""Muon for convolutions: the momentum matrix of each layer is orthogonalised before it is applied (Jordan et al. 2024),
scaled so that a step is as large as AdamW's (Liu et al. 2025). Layers are dealt out to the processes."""
import torch
import torch.distributed as dist


def orthogonalise(m, steps=5):
    """Newton-Schulz iteration towards the nearest semi-orthogonal matrix, [out, in*k*k]; cheapest with the short side first."""
    if m.shape[0] > m.shape[1]:
        return orthogonalise(m.T, steps).T
    m = m / (m.norm() + 1e-7)
    for _ in range(steps):
        a = m @ m.T
        m = 3.4445 * m + (-4.7750 * a + 2.0315 * a @ a) @ m
    return m


class Muon:
    def __init__(self, parameters, rank, world, momentum=0.9, decay=0.05):
        self.parameters, self.rank, self.world = list(parameters), rank, world
        self.momentum, self.decay = momentum, decay
        self.buffers = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self, lr):
        updates = []
        for i, (p, buffer) in enumerate(zip(self.parameters, self.buffers)):
            buffer.lerp_(p.grad, 1 - self.momentum)
            rows = p.shape[0]
            if i % self.world != self.rank:
                updates.append(torch.zeros(p.numel()))
                continue
            direction = torch.lerp(p.grad, buffer, self.momentum).reshape(rows, -1)
            updates.append(orthogonalise(direction).mul_(0.2 * max(direction.shape) ** 0.5).reshape(-1))
        flat = torch.cat(updates)
        if self.world > 1:
            dist.all_reduce(flat)
        at = 0
        for p in self.parameters:
            p.mul_(1 - lr * self.decay).add_(flat[at:at + p.numel()].view(p.shape), alpha=-lr)
            at += p.numel()
