"""The C driver computes what the registers must hold, as Python does, and speaks to the device."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from accelgen.affine import Description, load_description, parse_description
from accelgen.affine.multi import MULTI_TYPE
from accelgen.errors import InputError
from accelgen.processor.c_driver import write_driver
from accelgen.processor.c_header import ERRORS, write_header
from accelgen.processor.c_names import unique
from accelgen.processor.design import ProcessorDesign, ProcessorModel, design_processor
from accelgen.processor.flow import make_flows
from accelgen.processor.registers import quantities_of, registers_of
from accelgen.rtl.processor.axil import CONTROL, FINISHED, IDENTITY, REFUSED, STATUS
from tests.processor.c_programs import compiled, needs_compiler, printed
from tests.processor.test_laws import fusible
from tests.shipped import SIZES
from tests.tiers import examples

GEMM = "Y[m,n] += A[m,k] * B[k,n]"
CONV = "Y[k,p,q] += X[c,2*p + r,q + s] * W[k,c,r,s]"
SQUARE = {"i": 4, "j": 4}

# Maps beyond those of shipped dataflows: backwards, loops of given extent, coefficients and
# constants that change with the bounds, loops shared by maps.
UNUSUAL = {
    "backwards": f"""
expression: {GEMM}
bounds: {{m: 9, n: 11, k: 10}}
space: {{i: 3, j: 2}}
time: [n1, k1, m]
map: {{k: size(k) - 1 - size(i)*k1 - i, n: size(j)*n1 + j}}
skew: {{i: 1, j: 1}}
""",
    "given": f"""
expression: {GEMM}
bounds: {{m: 13, n: 12, k: 20}}
space: {{i: 2, j: 3}}
time: [m1, n1, k1, {{m0: 3}}, {{k0: 4}}]
map: {{m: size(i)*size(m0)*m1 + size(i)*m0 + i, n: size(j)*n1 + j, k: size(k0)*k1 + k0}}
skew: systolic
""",
    "sizes": f"""
expression: {GEMM}
bounds: {{m: 8, n: 8, k: 24}}
space: {{i: 2, j: 2}}
time: [m1, n1, k1, k0]
map: {{m: size(i)*m1 + i, n: size(j)*n1 + j, k: size(m)*k1 + k0}}
""",
    "strided_backwards": f"""
expression: {CONV}
bounds: {{k: 5, c: 3, p: 5, q: 6, r: 3, s: 3}}
space: {{i: 2, j: 2}}
time: [k1, q1, p, c, s, r]
map: {{k: size(i)*k1 + i, q: size(j)*q1 + j, r: size(r) - 1 - r, p: size(p) - 1 - p}}
""",
    "pinned": f"""
expression: {GEMM}
bounds: {{m: 6, n: 9, k: 9}}
space: {{i: 3, j: 3}}
time: [n1, k1, m]
map: {{k: size(i)*k1 + i, n: size(j)*n1 + j}}
skew: {{i: 2, j: -1}}
chain: {{B: i}}
""",
}

FUSED = {
    "gemms": ["gemm_os_systolic", "gemm_ws_systolic", "gemm_is_broadcast"],
    "mixed": ["gemm_os_systolic", "gemm_ws_systolic", "conv2d_ws_nvdla", "depthwise"],
    "convolutions": ["conv2d_strided", "conv2d_os_shidiannao", "depthwise", "gemm_ws_broadcast"],
}

# Bounds in blocks, of a loop that is another in each dataflow.
BLOCKED = {
    "nvfp4": ["gemm_os_systolic", "conv2d_ws_nvdla", "gemm_is_broadcast"],
    "mxfp4": ["gemm_ws_systolic"],
}

NAMES = [*SIZES, *UNUSUAL, *FUSED, *BLOCKED]

# What Python says, by the error that C returns for it.
SAID = {
    -2: ["does not follow", "the map leaves its bounds"],
    -3: ["words in each memory"],
    -4: ["beyond what its register holds"],
}

MAIN = """
#include <stdio.h>
#include "show.h"

int main(void)
{
    unsigned dataflow, count;

    while (scanf("%u %u", &dataflow, &count) == 2) {
        struct NAME_problem problem;

        problem.dataflow = (enum NAME_dataflow)dataflow;
        for (unsigned n = 0; n < count; n++) {
            unsigned bound;

            if (scanf("%u", &bound) != 1) {
                return 1;
            }
            problem.bounds.loop[n] = bound;
        }
        show(&problem);
    }
    return 0;
}
"""


@cache
def design_of(name: str) -> ProcessorDesign:
    if name in SIZES:
        description = load_description(name)
        return design_processor([description.with_overrides(space=SIZES[name][1][1])], name)
    if name in UNUSUAL:
        return design_processor([parse_description(f"name: {name}\n{UNUSUAL[name]}")], name)
    if name in BLOCKED:
        return design_processor([_typed(member, name) for member in BLOCKED[name]], name)
    return design_processor([_fusible(member) for member in FUSED[name]], name)


def _typed(name: str, type_name: str, output: str = "fp32") -> Description:
    description = load_description(name)
    inputs = [access.tensor for access in description.workload.assignment.inputs]
    types = {**dict.fromkeys(inputs, type_name), "Y": output}
    bounds = {"k": 50, **({"c": 70} if "c" in description.workload.loops else {})}
    return description.with_overrides(space=SQUARE, types=types, bounds=bounds)


def _fusible(name: str) -> Description:
    return load_description(name).with_overrides(space=SQUARE, types={"Y": "int32"})


def settings_in_c(
    program: Path, problems: Sequence[tuple[int, Mapping[str, int]]]
) -> list[tuple[int, list[int]]]:
    asked = "".join(
        f"{dataflow} {len(bounds)} {' '.join(map(str, bounds.values()))}\n"
        for dataflow, bounds in problems
    )
    rows = printed(program, asked)
    assert len(rows) == len(problems)
    return [(row[0], row[1:]) for row in rows]


def settings_in_python(
    design: ProcessorModel, dataflow: int, bounds: Mapping[str, int]
) -> Mapping[str, int] | InputError:
    try:
        return design.problem(dataflow, bounds).setting
    except InputError as raised:
        return raised


def check_same(
    design: ProcessorModel, program: Path, problems: Sequence[tuple[int, Mapping[str, int]]]
) -> list[int]:
    """That C and Python agree; the errors of C."""
    found = settings_in_c(program, problems)
    for (dataflow, bounds), (error, values) in zip(problems, found, strict=True):
        where = f"{design.flows[dataflow].description.name} at {bounds}"
        setting = settings_in_python(design, dataflow, bounds)
        largest = design.flows[dataflow].description.workload.bounds
        if any(not 1 <= n <= largest[loop] for loop, n in bounds.items()):
            # Whatever Python says first.
            assert isinstance(setting, InputError)
            assert error == -1, f"{where}: C returns {error}"
            continue
        if isinstance(setting, InputError):
            # Whether iterations are executed once is what the driver does not check, and says so.
            said = setting.message
            illegal = "executed" in said
            assert illegal or error < 0, f"{where}: {said}"
            assert illegal or any(text in said for text in SAID.get(error, [])), f"{where}: {said}"
            continue
        assert error == 0, f"{where}: C returns {error}"
        named = {r.name: n for r, n in zip(design.registers, values, strict=True)}
        differ = {k: (n, named[k]) for k, n in setting.items() if named[k] != n}
        assert not differ, f"{where}: Python and C {differ}"
        assert set(setting) == set(named)
    return [error for error, _ in found]


def draw(design: ProcessorModel, random: Random, count: int) -> list[tuple[int, dict[str, int]]]:
    """Random problems, a few beyond the design."""
    problems = []
    for number in range(count):
        dataflow = number % len(design.flows)
        largest = design.flows[dataflow].description.workload.bounds
        bounds = {loop: random.choice([1, n, random.randint(1, n)]) for loop, n in largest.items()}
        if number % 10 == 9:
            loop = random.choice(list(bounds))
            bounds[loop] = random.choice([0, largest[loop] + 1, 2**20 + 1, 2**32 - 1])
        problems.append((dataflow, bounds))
    return problems


@needs_compiler
@pytest.mark.parametrize("name", NAMES)
def test_settings_are_those_of_python(name: str, tmp_path: Path) -> None:
    design = design_of(name)
    problems = draw(design, Random(name), 60 * len(design.flows))
    largest = [flow.description.workload.bounds for flow in design.flows]
    problems += [(d, dict(bounds)) for d, bounds in enumerate(largest)]
    errors = check_same(design, compiled(design, tmp_path, MAIN), problems)
    assert errors.count(0) > len(problems) // 3


@needs_compiler
@given(fusible(), st.randoms(use_true_random=False))
@settings(
    max_examples=examples(10, 200),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],  # Shrinking compiles for minutes.
)
def test_settings_of_random_dataflows(drawn: list[Description], random: Random) -> None:
    try:
        flows = make_flows(drawn)
    except InputError:
        assume(False)
    quantities = quantities_of(flows)
    model = ProcessorModel("drawn", flows, quantities, registers_of(quantities, len(flows)), 0)
    with tempfile.TemporaryDirectory(prefix="accelgen-law-") as folder:
        program = compiled(model, Path(folder), MAIN)
        check_same(model, program, draw(model, random, 30 * len(flows)))


@needs_compiler
def test_tensors_beyond_the_memories_are_refused(tmp_path: Path) -> None:
    description = load_description("gemm_os_systolic").with_overrides(
        space=SQUARE, bounds={"m": 64, "n": 64, "k": 64}
    )
    design = design_processor([description], "small", words={"A": 40, "B": 60, "Y": 200})
    problems = draw(design, Random(5), 200)
    errors = check_same(design, compiled(design, tmp_path, MAIN), problems)
    assert -3 in errors
    assert 0 in errors


@needs_compiler
def test_the_driver_is_sane_for_sanitizers(tmp_path: Path) -> None:
    design = design_of("mixed")
    flags = ["-fsanitize=undefined", "-fno-sanitize-recover"]
    try:
        program = compiled(design, tmp_path, MAIN, *flags)
    except AssertionError as error:
        if "ubsan" in str(error):
            pytest.skip("this compiler has no sanitizer")
        raise
    check_same(design, program, draw(design, Random(7), 100))
    # No such dataflow.
    assert settings_in_c(program, [(4, {"m": 1}), (2**32 - 1, {})])[0][0] == -1


FORMATS = """
#include "show.h"

int main(void)
{
    struct NAME_problem problem = {0};

    problem.dataflow = LOUD_DATAFLOW_GEMM_WS_SYSTOLIC;
    problem.bounds.gemm_ws_systolic.m = 5;
    problem.bounds.gemm_ws_systolic.n = 6;
    problem.bounds.gemm_ws_systolic.k = 33;
    FILL
    show(&problem);
    return 0;
}
"""


@needs_compiler
@pytest.mark.parametrize(
    ("type_name", "output", "chosen"),
    [
        ("int8/4/2", "int32", {"a_format": "int4", "b_format": "int2"}),
        (MULTI_TYPE, "fp32", {"format": "mxfp4"}),
    ],
)
def test_formats_are_fields_of_a_problem(
    type_name: str, output: str, chosen: Mapping[str, str], tmp_path: Path
) -> None:
    typed = [_typed(name, type_name, output) for name in ("gemm_os_systolic", "gemm_ws_systolic")]
    design = design_processor(typed, "chosen")
    bounds = {"m": 5, "n": 6, "k": 33}
    for formats, beyond in ((chosen, False), (chosen, True)):
        names = {r: f"LOUD_{r.upper()}_{name.upper()}" for r, name in formats.items()}
        last = design.choices[-1]
        if beyond:
            names[last.register] = f"(enum NAME_{last.register}){len(last.names)}"
        fill = " ".join(f"problem.{register} = {name};" for register, name in names.items())
        program = compiled(design, tmp_path, FORMATS.replace("FILL", fill))
        ((error, *values),) = printed(program)
        if beyond:
            assert error == -4
            continue
        assert error == 0
        setting = design.problem("gemm_ws_systolic", bounds, formats).setting
        assert values == [setting[register.name] for register in design.registers]
        default = design.problem("gemm_ws_systolic", bounds).setting
        assert setting != default


DEVICE = """
#include <stdio.h>
#include "NAME.h"

static volatile uint32_t memory[1024];

static void start(struct NAME_device *device, struct NAME_problem *problem)
{
    int error;

    for (unsigned n = 0; n < LOUD_REGISTERS; n++) {
        memory[16 + n] = 0xffffffffu;
    }
    memory[LOUD_CONTROL / 4] = 0;
    error = NAME_configure(device, problem);
    printf("%d %lu", error, (unsigned long)memory[LOUD_CONTROL / 4]);
    for (unsigned n = 0; n < LOUD_REGISTERS; n++) {
        printf(" %ld", memory[16 + n] == 0xffffffffu ? -1L : (long)memory[16 + n]);
    }
    printf("\\n");
}

int main(void)
{
    struct NAME_device device;
    struct NAME_problem problem;

    printf("%d", NAME_open(&device, memory));
    memory[LOUD_IDENTITY / 4] = LOUD_MAGIC;
    memory[LOUD_FINISHED / 4] = 0xffffffffu;
    printf(" %d\\n", NAME_open(&device, memory));
    problem.dataflow = LOUD_DATAFLOW_GEMM_WS_SYSTOLIC;
    problem.bounds.gemm_ws_systolic.m = 5;
    problem.bounds.gemm_ws_systolic.n = 6;
    problem.bounds.gemm_ws_systolic.k = 7;
    start(&device, &problem); /* not ready */
    memory[LOUD_STATUS / 4] = LOUD_STATUS_READY;
    start(&device, &problem);
    problem.bounds.gemm_ws_systolic.m = 4;
    start(&device, &problem);
    problem.bounds.gemm_ws_systolic.m = 17;
    start(&device, &problem); /* out of bounds */
    problem.bounds.gemm_ws_systolic.m = 4;
    memory[LOUD_STATUS / 4] = LOUD_STATUS_READY | LOUD_STATUS_REFUSED;
    start(&device, &problem); /* refused */
    memory[LOUD_STATUS / 4] = LOUD_STATUS_READY;
    start(&device, &problem); /* writes all again */
    printf("%d", NAME_wait_idle(&device));
    memory[LOUD_FINISHED / 4] = 2; /* three, from 2**32 - 1 on */
    printf(" %d %lu\\n", NAME_wait_idle(&device), (unsigned long)NAME_finished(&device));
    printf("%d\\n", NAME_cancel(&device)); /* nothing waits */
    start(&device, &problem);
    memory[LOUD_STATUS / 4] = LOUD_STATUS_READY | LOUD_STATUS_CANCELLED;
    printf("%d", NAME_wait_idle(&device));
    printf(" %d", NAME_cancel(&device));
    printf(" %lu", (unsigned long)memory[LOUD_CONTROL / 4]);
    printf(" %d\\n", NAME_wait_idle(&device));
    start(&device, &problem); /* the registers hold what they did */
    return 0;
}
"""


@needs_compiler
def test_configure_writes_what_changes_and_starts(tmp_path: Path) -> None:
    design = design_of("mixed")
    program = compiled(design, tmp_path, DEVICE, "-DMIXED_POLLS=10u")
    opened, *starts, end, idle, once_more, cancelled, again = printed(program)
    assert opened == [-7, 0]

    def setting(m: int) -> list[int]:
        values = design.problem("gemm_ws_systolic", {"m": m, "n": 6, "k": 7}).setting
        return [values[register.name] for register in design.registers]

    nothing = [-1] * len(design.registers)
    changed = [b if a != b else -1 for a, b in zip(setting(5), setting(4), strict=True)]
    assert nothing != changed != setting(4)
    assert starts == [
        [-6, 0, *nothing],
        [0, 1, *setting(5)],
        [0, 1, *changed],
        [-1, 0, *nothing],
        [-5, 1, *nothing],
        [0, 1, *setting(4)],
    ]
    assert end == [-6, 0, 2]
    assert idle == [-8]
    assert cancelled == [-6, 0, 2, 0]
    assert once_more == again == [0, 1, *nothing]


@pytest.mark.parametrize("name", ["fir", "mixed"])
def test_the_header_lists_every_register_once(name: str) -> None:
    design = design_of(name)
    text = write_header(design)
    loud = name.upper()
    listed = re.findall(rf"#define {loud}_REG_(\w+) +0x([0-9a-f]+)u /\* (\d+) bits?\b", text)
    assert not re.search(r"\b1 bits", text)
    assert listed == [(r.name.upper(), f"{r.offset:03x}", str(r.bits)) for r in design.registers]
    for register, offset in {
        "IDENTITY": IDENTITY, "CONTROL": CONTROL, "STATUS": STATUS, "REFUSED": REFUSED,
        "FINISHED": FINISHED,
    }.items():  # fmt: skip
        assert re.findall(rf"#define {loud}_{register} +0x([0-9a-f]+)u", text) == [f"{offset:03x}"]
    errors = re.findall(rf"^ +{loud}_(\w+) += (-\d+)", text, re.M)
    assert errors == [(error, str(value)) for error, (value, _) in ERRORS.items()]
    assert "accelerator_" not in text + write_driver(design)


def test_the_header_names_dataflows_and_their_loops() -> None:
    design = design_of("mixed")
    text = write_header(design)
    for number, flow in enumerate(design.flows):
        name, workload = flow.description.name, flow.description.workload
        assert f"MIXED_DATAFLOW_{name.upper()} = {number}" in text
        (fields,) = re.findall(rf"struct mixed_{name}_bounds {{\n(.*?)\n}};", text, re.S)
        assert re.findall(r"uint32_t (\w+); /\* 1\.\.(\d+) \*/", fields) == [
            (loop, str(bound)) for loop, bound in workload.bounds.items()
        ]


def test_names_in_c_are_unique_and_no_keywords() -> None:
    assert unique(["do", "gemm", "Gemm", "do_", "loop"], taken=["loop"]) == [
        "do_", "gemm", "Gemm_", "do__", "loop_",
    ]  # fmt: skip
