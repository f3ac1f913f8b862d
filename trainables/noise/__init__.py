"""Noise injected into gradient descent: the modes, the schedules of sigma, and the injector.

With weights w, loss L on the step's batch and xi ~ N(0, I), each mode says what its noise n is, where it
takes the gradient, and whether n stays in the weights. A group is one trained parameter tensor (weights and
biases count apart), G their number, and t counts steps over the whole run. ``registry`` lists the modes, each
a class in ``modes``, with its formula and source.

In a training loop of your own::

    noise = NoiseInjector(model.parameters(), mode="layer", sigma=0.01, seed=0)
    for x, y in batches:
        optimizer.zero_grad()
        noise.backward(lambda: loss_fn(model(x), y))
        optimizer.step()

The function computes the loss and changes nothing: a step of the optimizer in it would be undone, and is
refused.

Only ``injector``, ``misuse`` and ``step`` import torch.
"""
