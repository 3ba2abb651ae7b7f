"""Products of activations are told from those with parameters."""

import torch

from intaglio.quant.products import MATMUL, Product, ProductMode


def test_an_activation_in_the_memory_of_a_freed_parameter_is_still_an_activation() -> None:
    seen: list[Product] = []

    def on_product(found: Product) -> torch.Tensor:
        seen.append(found)
        return found.multiply(found.a, found.b)

    # Nobody else holds these: what comes next may be given their places.
    with ProductMode(on_product, [torch.ones(2, 2) for _ in range(64)]):
        kept = [torch.ones(2, 2) for _ in range(64)]
        for tensor in kept:
            torch.matmul(tensor, tensor)
    assert [found.multiply for found in seen] == [MATMUL] * 64


def test_a_product_with_a_parameter_is_none_of_two_activations() -> None:
    seen: list[Product] = []
    weight = torch.ones(2, 2)
    with ProductMode(lambda found: seen.append(found) or found.multiply(found.a, found.b), [weight]):  # type: ignore[func-returns-value]
        torch.matmul(torch.ones(2, 2), weight)
        torch.matmul(torch.ones(2, 2), weight.t())
    assert seen == []
