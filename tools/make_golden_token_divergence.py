"""Writes tests/golden/kernels/token_divergence.safetensors: losses and gradients of every kind, support and remainder.

Straight from the definitions, in float64, one token at a time over a plain list of words.
Run from the repository root with torch 2.11 and safetensors:  python tools/make_golden_token_divergence.py
"""
import itertools
import math

import torch
from safetensors.torch import save_file

TOKENS, WORDS, K, TEMPERATURE, BETA = 3, 33, 5, 1.5, 0.3
KINDS = ("forward_kl", "reverse_kl", "jensen_shannon", "total_variation", "cross_entropy")
SUPPORTS = ("full", "teacher_top_k", "student_top_k", "union_top_k")
REMAINDERS = ("renormalise", "tail", "drop")


def divergence(kind, log_p, log_q):
    p, q = log_p.exp(), log_q.exp()
    if kind == "forward_kl":
        return torch.nn.functional.kl_div(log_p, log_q, reduction="sum", log_target=True)
    if kind == "reverse_kl":
        return torch.nn.functional.kl_div(log_q, log_p, reduction="sum", log_target=True)
    if kind == "jensen_shannon":
        # generalized_jsd_loss of TRL's GKD
        mixture = torch.logsumexp(torch.stack([log_p + math.log1p(-BETA), log_q + math.log(BETA)]), dim=0)
        kl_teacher = torch.nn.functional.kl_div(mixture, log_q, reduction="sum", log_target=True)
        kl_student = torch.nn.functional.kl_div(mixture, log_p, reduction="sum", log_target=True)
        return BETA * kl_teacher + (1 - BETA) * kl_student
    if kind == "total_variation":
        return 0.5 * (p - q).abs().sum()
    return -(q * log_p).sum()


def words_of(support, s, t):
    teacher, student = (set(x.topk(K).indices.tolist()) for x in (t, s))
    chosen = {"teacher_top_k": teacher, "student_top_k": student, "union_top_k": teacher | student}
    return sorted(chosen[support])


def token_loss(kind, support, remainder, s, t):
    s, t = s / TEMPERATURE, t / TEMPERATURE
    log_p, log_q = s.log_softmax(0), t.log_softmax(0)
    if support == "full":
        return divergence(kind, log_p, log_q)
    words = words_of(support, s, t)
    if remainder == "renormalise":
        return divergence(kind, s[words].log_softmax(0), t[words].log_softmax(0))
    log_p, log_q = log_p[words], log_q[words]
    if remainder == "tail":
        log_p, log_q = (torch.cat([x, (1 - x.exp().sum()).log().view(1)]) for x in (log_p, log_q))
    return divergence(kind, log_p, log_q)


def main():
    generator = torch.Generator().manual_seed(3)
    student, teacher = 2 * torch.randn((2, TOKENS, WORDS), generator=generator)
    tensors = {"student": student, "teacher": teacher}
    for kind, support, remainder in itertools.product(KINDS, SUPPORTS, REMAINDERS):
        if support == "full" and remainder != "tail":
            continue
        leaf = student.double().requires_grad_()
        loss = torch.stack([token_loss(kind, support, remainder, s, t) for s, t in zip(leaf, teacher.double())])
        (gradient,) = torch.autograd.grad(loss.sum(), leaf)
        tensors |= {f"{kind}.{support}.{remainder}.loss": loss.detach().float(),
                    f"{kind}.{support}.{remainder}.gradient": gradient.float()}
    save_file({name: t.clone().contiguous() for name, t in tensors.items()},
              "tests/golden/kernels/token_divergence.safetensors")


if __name__ == "__main__":
    main()
