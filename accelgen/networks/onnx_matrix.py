"""ONNX operators that are matrix work, as workloads."""

from __future__ import annotations

from math import prod

from accelgen.affine.workload import Workload
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from accelgen.names import shorten
from accelgen.networks import workloads
from accelgen.networks.attention import AttentionPart
from accelgen.networks.onnx_node import Matrix, Node, Shape, Vector, Work

__all__ = ["attention", "convolution", "einsum", "gemm", "matmul", "transposed_convolution"]

_BATCH = ("b", "h", "b1", "b2", "b3", "b4")


def convolution(node: Node, x: int, w: int, bias: int | None) -> list[Work]:
    """A convolution in one to three dimensions; ``x``, ``w`` and ``bias`` say which inputs."""
    data, kernel = node.shape(node.input(x)), node.shape(node.input(w))
    groups, out = node.integer("group", 1), node.result[2:]
    strides, dilations = _steps(node, data, kernel)
    if len(out) != len(strides) or data[1] != kernel[1] * groups:
        raise InputError(f"a kernel of shape {kernel} on a tensor of shape {data}")
    workload, repeats = workloads.convolution(
        data[0], data[1], kernel[0], out, kernel[2:], strides, dilations, groups
    )
    return [_matrix(node, workload, repeats, w, bias)]


def transposed_convolution(node: Node) -> list[Work]:
    """A transposed convolution; what its padding cuts off is computed all the same."""
    data, kernel = node.shape(node.input(0)), node.shape(node.input(1))
    groups = node.integer("group", 1)
    strides, dilations = _steps(node, data, kernel)
    if data[1] != kernel[0]:
        raise InputError(f"a kernel of shape {kernel} on a tensor of shape {data}")
    workload, repeats = workloads.transposed_convolution(
        data[0], data[1], kernel[1] * groups, data[2:], kernel[2:], strides, dilations, groups
    )
    return [_matrix(node, workload, repeats, 1, 2)]


def _steps(node: Node, data: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Shape, Shape]:
    """Strides and dilations, one per dimension of the kernel."""
    rank = len(kernel) - 2
    if not 1 <= rank <= 3 or len(data) != rank + 2:
        raise InputError(f"a {node.kind} of {len(data)} dimensions", hint="use 3 to 5")
    strides = node.integers("strides", (1,) * rank)
    dilations = node.integers("dilations", (1,) * rank)
    if len(strides) != rank or len(dilations) != rank or min(*strides, *dilations) < 1:
        raise InputError(f"strides {strides} and dilations {dilations} of {rank} dimensions")
    return strides, dilations


def _matrix(node: Node, workload: Workload, repeats: int, weight: int, bias: int | None) -> Matrix:
    tensor = node.constant(node.input(weight))
    known = node.constant(node.input(bias)) if bias is not None else None
    return Matrix(workload, repeats, tensor, known)


def gemm(node: Node) -> list[Work]:
    """A product of two matrices, either transposed, and a bias."""
    a, b = node.shape(node.input(0)), node.shape(node.input(1))
    a = a[::-1] if node.integer("transA", 0) else a
    b = b[::-1] if node.integer("transB", 0) else b
    return [_product(node, a, b, (0, 1), node.constant(node.input(2)))]


def matmul(node: Node, first: int, second: int) -> list[Work]:
    """A product in batches, with NumPy's rules; ``first`` and ``second`` say which inputs."""
    a, b = node.shape(node.input(first)), node.shape(node.input(second))
    a = (1, *a) if len(a) == 1 else a
    b = (*b, 1) if len(b) == 1 else b
    return [_product(node, a, b, (first, second), None)]


def _product(
    node: Node, a: tuple[int, ...], b: tuple[int, ...], at: tuple[int, int], bias: str | None
) -> Matrix:
    """A product over the last dimension of ``a`` and the last but one of ``b``, in batches."""
    if min(len(a), len(b)) < 2 or a[-1] != b[-2]:
        raise InputError(f"shapes {a} and {b} do not multiply")
    left, right = (node.constant(node.input(position)) for position in at)
    if len(b) == 2 and left is None:
        rows = prod(a[:-1])
        if right is not None:
            workload, repeats = workloads.matrix_product(rows, b[1], a[-1])
        else:
            bounds = {"m": rows, "n": b[1], "k": a[-1]}
            workload, repeats = workloads.divided("Y[m,n] += A[m,k] * B[k,n]", bounds, ("n",))
        return Matrix(workload, repeats, right, bias)
    rank = max(len(a), len(b)) - 2
    outer_a = (1,) * (rank + 2 - len(a)) + a[:-2]
    outer_b = (1,) * (rank + 2 - len(b)) + b[:-2]
    sizes = [(x, y) for x, y in zip(outer_a, outer_b, strict=True) if max(x, y) > 1]
    if len(sizes) > len(_BATCH) or any(x != y and min(x, y) > 1 for x, y in sizes):
        raise InputError(f"shapes {a} and {b} do not multiply")
    loops = list(zip(_BATCH, sizes, strict=False))
    in_a = "".join(f"{loop}," for loop, (x, _) in loops if x > 1)
    in_b = "".join(f"{loop}," for loop, (_, y) in loops if y > 1)
    in_y = "".join(f"{loop}," for loop, _ in loops)
    names = ("W" if left else "A", "W" if right and not left else "B")
    expression = f"Y[{in_y}m,n] += {names[0]}[{in_a}m,k] * {names[1]}[{in_b}k,n]"
    bounds = {loop: max(size) for loop, size in loops}
    bounds |= {"m": a[-2], "n": b[-1], "k": a[-1]}
    # Batches that both tensors have may be executed one after the other, and rows as well.
    apart = [loop for loop, (x, y) in loops if x == y]
    apart += [] if left or right else ["m"]
    workload, repeats = workloads.divided(expression, bounds, apart)
    return Matrix(workload, repeats, left or right, bias)


def einsum(node: Node) -> list[Work]:
    """Two tensors and an equation of letters: an expression already."""
    equation = str(node.attributes.get("equation", "")).replace(" ", "")
    operands, arrow, output = equation.partition("->")
    terms = operands.split(",")
    letters = (*terms, output)
    if not arrow or len(terms) != 2 or len(node.inputs) != 2 or not output:
        raise InputError(f"an Einsum of {shorten(equation)}", hint="use two tensors and ->")
    if not all(
        t.isascii() and t.isalpha() and t.islower() and len(set(t)) == len(t) for t in letters
    ):
        raise InputError(
            f"an Einsum of {shorten(equation)}", hint="use each letter once per tensor"
        )
    if not set(output) <= {*terms[0], *terms[1]}:
        raise InputError(
            f"an Einsum of {shorten(equation)}", hint="take every letter from a tensor"
        )
    bounds: dict[str, int] = {}
    for position, term in enumerate(terms):
        shape = node.shape(node.input(position))
        if len(shape) != len(term):
            raise InputError(f"{term} is no tensor of {len(shape)} dimensions")
        for letter, size in zip(term, shape, strict=True):
            if bounds.setdefault(letter, size) != size:
                raise InputError(f"{letter} of {equation} is both {bounds[letter]} and {size}")
    constants = [node.constant(name) for name in node.inputs]
    weight = constants[1] or constants[0]
    names = [("W" if c and c == weight else x) for c, x in zip(constants, "AB", strict=True)]
    a, b, y = (",".join(term) for term in letters)
    expression = f"Y[{y}] += {names[0]}[{a}] * {names[1]}[{b}]"
    apart = [loop for loop in output if loop in terms[0] and loop in terms[1]]
    workload, repeats = workloads.divided(expression, bounds, apart)
    return [Matrix(workload, repeats, weight)]


def attention(node: Node) -> list[Work]:
    """Scores, softmax and the product with the values; cached keys come first.

    With ``is_causal`` the last query is taken to be at the last key, as it is with cached keys.
    """
    q, k, v = (node.shape(node.input(position)) for position in range(3))
    past = node.shape(cached) if (cached := node.input(4)) is not None else (0,) * 4
    if len({len(q), len(k), len(v)}) > 1 or len(past) != 4:
        raise InputError("tensors of different numbers of dimensions")
    if len(q) == 4:
        batch, heads, queries, width = q
        groups, keys, value_width = k[1], k[2], v[3]
    elif len(q) == 3:
        batch, queries, _ = q
        heads, groups = node.integer("q_num_heads", 0), node.integer("kv_num_heads", 0)
        if heads < 1 or groups < 1:
            raise InputError("an Attention without q_num_heads and kv_num_heads")
        width, keys, value_width = q[2] // heads, k[1], v[2] // groups
    else:
        raise InputError(f"an Attention of {len(q)} dimensions", hint="use 3 or 4")
    keys += past[2]
    scores, times = workloads.attention_scores(batch, heads, queries, keys, width, groups)
    mixed, repeats = workloads.attention_product(batch, heads, queries, keys, value_width, groups)
    causal = node.integer("is_causal", 0) != 0 and queries <= keys
    shape = AttentionShape(queries, keys, heads, groups, width, value_width, causal)
    return [
        Matrix(scores, times, None, attention=AttentionPart(shape, batch, False)),
        Vector("softmax", batch * heads * queries * keys),
        Matrix(mixed, repeats, None, attention=AttentionPart(shape, batch, True)),
    ]
