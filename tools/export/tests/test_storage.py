"""How `w8` and fp16 files store weights: what is rounded how, and that files compute what they stand for."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper
from torch import nn

from mclip_export import storage_plan
from mclip_export.compensated_rounding import compensated_int8
from mclip_export.file_weights import Constants, take_weights
from mclip_export.folded_norms import fold_norms
from mclip_export.input_moments import input_moments
from mclip_export.onnx_session import cosines, make_session
from mclip_export.quantisation import int8_channels
from mclip_export.storage_plan import Plan, plan_w8, raise_weights, rounded
from mclip_export.token_table import PADDING, table_constants
from mclip_export.weight_storage import weight_axes, write_half, write_w8

RNG = np.random.default_rng(0)


def correlated(samples, width):
    shared = RNG.standard_normal((samples, 6)) @ RNG.standard_normal((6, width))
    return (shared + 0.1 * RNG.standard_normal((samples, width))).astype(np.float32)


def test_compensated_rounding_keeps_outputs_better_than_nearest():
    inputs, weight = correlated(400, 300), RNG.standard_normal((40, 300)).astype(np.float32)
    seen, unseen = inputs[:300], inputs[300:]
    values, scales = compensated_int8(weight, seen.T @ seen / len(seen))
    nearest, steps = int8_channels(weight, 0)
    assert values.dtype == np.int8 and np.array_equal(scales, steps)

    def error(restored):
        return np.linalg.norm(unseen @ (restored - weight).T)

    assert error(values * scales) < 0.4 * error(nearest * steps)


def test_grouped_scales_are_better_still_and_cover_every_weight():
    inputs, sizes = correlated(400, 320), np.repeat(3.0 ** np.arange(-5, 5), 32)
    weight = (RNG.standard_normal((40, 320)) * sizes).astype(np.float32)
    moment = inputs.T @ inputs / len(inputs)
    values, scales = compensated_int8(weight, moment, 32)
    coarse, steps = compensated_int8(weight, moment)
    assert scales.dtype == np.float16 and scales.shape == (40, 10, 1)
    assert (np.abs(weight.reshape(40, 10, 32)) <= 127.001 * scales.astype(np.float32)).all()
    restored = (values.reshape(40, 10, 32) * scales.astype(np.float32)).reshape(weight.shape)
    assert np.abs(restored - weight).mean() < 0.5 * np.abs(coarse * steps - weight).mean()


def test_groups_are_restored_as_they_were_rounded(vision, tmp_path):
    module, pixels, file = vision
    graph = onnx.load(file).graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    int8 = {}
    for name, moment in input_moments(onnx.load(file), weight_axes(graph).keys(), pixels.numpy()):
        stored = rounded(weights[name], weight_axes(graph)[name], moment, 32)
        if stored:
            int8[name] = stored
    assert len(int8) == 1  # 64 -> 300: the others' inputs do not fall into groups of 32
    Plan(int8=int8).write(file, tmp_path / "w8.onnx")
    assert take_weights(module, file, tmp_path / "w8.onnx")[1] == 0
    assert np.abs(module(pixels).detach().numpy() - run(tmp_path / "w8.onnx", pixels)).max() < 1e-5
    [(name, (values, scales))] = int8.items()
    restored = (values * scales.astype(np.float32)).reshape(weights[name].shape)
    assert np.allclose(Constants(tmp_path / "w8.onnx")[name], restored)


def test_independent_inputs_leave_nothing_to_compensate():
    weight = RNG.standard_normal((5, 64)).astype(np.float32)
    values, _ = compensated_int8(weight, np.eye(64, dtype=np.float32))
    assert np.array_equal(values, int8_channels(weight, 0)[0])


class Small(nn.Module):
    """Every kind of weight that a tower has."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8)
        self.deep = nn.Conv2d(8, 8, 7, 1, 3, groups=8)
        self.point = nn.Conv2d(8, 64, 1)
        self.linear, self.head = nn.Linear(64, 300), nn.Linear(300, 16)

    def forward(self, x):
        x = self.point(self.deep(self.bn(self.conv(x)))).relu().flatten(2).transpose(1, 2)
        return self.head(self.linear(x).relu().mean(1))


class SmallText(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.positions = nn.Embedding(500, 32), nn.Parameter(torch.randn(77, 32))
        self.head = nn.Linear(32, 16)

    def forward(self, ids):
        return self.head((self.table(ids) + self.positions).relu().mean(1))


def exported(module, example, file):
    torch.onnx.export(module.eval(), (example,), str(file), dynamo=False, opset_version=17, input_names=["x"],
                      output_names=["y"], dynamic_axes={"x": {0: "n"}, "y": {0: "n"}})  # fmt: skip
    return file


@pytest.fixture
def vision(tmp_path):
    torch.manual_seed(0)
    module = Small()
    nn.init.uniform_(module.bn.running_var, 0.5, 2)
    nn.init.normal_(module.bn.running_mean)
    pixels = torch.randn(12, 3, 16, 16)
    before = module.eval()(pixels)
    assert torch.allclose(fold_norms(module)(pixels), before, atol=1e-5)
    return module, pixels, exported(module, pixels[:2], tmp_path / "plain.onnx")


@pytest.fixture
def text(tmp_path):
    torch.manual_seed(0)
    module, ids = SmallText(), torch.zeros(10, 77, dtype=torch.int64)
    ids[:, :9] = torch.randint(1, 500, (10, 9))
    return module, ids, exported(module, ids[:2], tmp_path / "plain.onnx")


def run(file, x):
    return make_session(file).run(None, {"x": x.numpy()})[0]


def test_moments_are_those_of_the_inputs(vision):
    module, pixels, file = vision
    found = dict(input_moments(onnx.load(file), {tensor.name for tensor in onnx.load(file).graph.initializer}, pixels.numpy()))
    patches = nn.functional.unfold(pixels, 3, padding=1, stride=2).transpose(1, 2).reshape(-1, 27)
    assert sorted(len(moment) for moment in found.values()) == [8, 27, 64, 300]  # none for the depthwise one
    moment = next(moment for moment in found.values() if len(moment) == 27)
    importance = 1 / module(pixels).detach().square().mean(1)
    weighted = patches * importance.repeat_interleave(64)[:, None]
    assert np.allclose(moment, (weighted.T @ patches / len(patches)).numpy(), rtol=1e-3, atol=1e-4)


def test_a_plan_meets_its_target_and_pytorch_agrees_on_its_weights(vision, tmp_path):
    module, pixels, file = vision
    exact = run(file, pixels)
    plan = plan_w8(file, pixels[:8].numpy(), pixels[8:].numpy(), 0.9999)
    plan.write(file, tmp_path / "w8.onnx")
    got = run(tmp_path / "w8.onnx", pixels)
    assert plan.reached >= 0.9999 and cosines(got, exact).min() > 0.999
    assert np.abs(got - exact).max() > 1e-5  # it is another file
    names, lost = take_weights(module, file, tmp_path / "w8.onnx")
    assert lost == 0 and len(names) == 4  # the first convolution is too small to be worth it
    assert np.abs(module(pixels).detach().numpy() - got).max() < 1e-5


class SmallTokens(Small):
    """One output row per place, as a FastVLM has one per image token."""

    def forward(self, x):
        x = self.point(self.deep(self.bn(self.conv(x)))).relu().flatten(2).transpose(1, 2)
        return self.head(self.linear(x).relu())


@pytest.fixture
def tokens(tmp_path):
    torch.manual_seed(0)
    module, pixels = SmallTokens(), torch.randn(8, 3, 16, 16)
    return module, pixels, exported(module, pixels[:2], tmp_path / "tokens.onnx")


@pytest.mark.parametrize("large", [False, True])
def test_a_plan_judges_every_output_row_of_every_input(tokens, tmp_path, monkeypatch, large):
    _, pixels, file = tokens
    if large:
        monkeypatch.setattr(storage_plan, "LARGE", 0)
    measured, errors_of_weights = [], storage_plan.errors_of_weights
    monkeypatch.setattr(
        storage_plan, "errors_of_weights",
        lambda model, int8, inputs: measured.append(inputs) or errors_of_weights(model, int8, inputs),
    )  # fmt: skip
    inputs, checks = pixels[:6].numpy(), pixels[6:].numpy()
    exact = run(file, pixels[6:])
    assert exact.shape == (2, 64, 16)
    target = 0
    for _ in range(2):  # reached at once, then after weights were raised
        plan = plan_w8(file, inputs, checks, target)
        plan.write(file, tmp_path / "w8.onnx")
        worst = cosines(run(tmp_path / "w8.onnx", pixels[6:]), exact).min()  # of all 128 rows
        assert target < plan.reached == pytest.approx(worst, abs=1e-9)
        target = 1 - 0.8 * (1 - plan.reached)
    [judged] = measured
    judgeable = checks if large else pixels.numpy()
    assert len(judged) == (1 if large else 3) and all((judgeable == one).all((1, 2, 3)).any() for one in judged)


def test_an_unreachable_target_is_not_claimed(vision):
    _, pixels, file = vision
    assert plan_w8(file, pixels[:8].numpy(), pixels[8:].numpy(), 1.1).reached < 1


def test_half_files_hold_half_and_pytorch_agrees_on_their_weights(vision, tmp_path):
    module, pixels, file = vision
    write_half(file, tmp_path / "half.onnx")
    assert (tmp_path / "half.onnx").stat().st_size < 0.65 * file.stat().st_size
    got = run(tmp_path / "half.onnx", pixels)
    assert take_weights(module, file, tmp_path / "half.onnx")[1] == 0
    assert np.abs(module(pixels).detach().numpy() - got).max() < 1e-5


def test_a_table_stays_small_in_the_session_and_its_padding_is_exact(text, tmp_path):
    module, ids, file = text
    plan = plan_w8(file, ids.numpy(), ids.numpy(), 0)
    plan.write(file, tmp_path / "w8.onnx")
    graph = onnx.load(tmp_path / "w8.onnx").graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    assert stored["table.weight/int8"].data_type == TensorProto.INT8
    assert [node.op_type for node in graph.node if "table.weight/int8" in node.input] == ["Gather"]  # nothing to fold
    values = Constants(tmp_path / "w8.onnx")
    table, positions = values["table.weight"], values["positions"]
    exact = module.table.weight[PADDING] + module.positions[1:]
    assert np.abs(table[PADDING] + positions[1:] - exact.detach().numpy()).max() < 1e-6
    far = np.abs(table[:, None] + positions[None, 1:] - (module.table.weight[:, None] + module.positions[1:]).detach().numpy())
    assert far.max() < 0.55 * np.abs(module.table.weight.detach().numpy()).max() / 127 * 1.3
    exact_output, got = run(file, ids), run(tmp_path / "w8.onnx", ids)
    nearest = tmp_path / "nearest.onnx"
    write_w8(file, nearest)
    assert np.abs(got - exact_output).max() < 0.8 * np.abs(run(nearest, ids) - exact_output).max()
    assert take_weights(module, file, tmp_path / "w8.onnx")[1] == 0
    assert np.abs(module(ids).detach().numpy() - got).max() < 1e-5


def test_a_table_in_groups_is_looked_up_before_it_is_widened(text, tmp_path):
    module, ids, file = text
    nearest = np.abs(run(file, ids) - run(written(file, tmp_path, None), ids)).max()
    grouped = written(file, tmp_path, 8)
    graph = onnx.load(grouped).graph
    assert [node.op_type for node in graph.node if "table.weight/int8" in node.input] == ["Gather"]
    got = run(grouped, ids)
    assert 0 < np.abs(run(file, ids) - got).max() < nearest
    assert take_weights(module, file, grouped)[1] == 0
    assert np.abs(module(ids).detach().numpy() - got).max() < 1e-5


def written(file, folder, group):
    """A file with its table in int8, everything else in 16 bits."""
    graph = onnx.load(file).graph
    tables, constants = table_constants(graph, group)
    target = folder / f"{group}.onnx"
    Plan(set(weight_axes(graph)) - set(tables), tables, constants).write(file, target)
    return target


def test_a_half_table_is_looked_up_before_it_is_widened(text, tmp_path):
    module, ids, file = text
    write_half(file, tmp_path / "half.onnx")
    graph = onnx.load(tmp_path / "half.onnx").graph
    assert [node.op_type for node in graph.node if "table.weight/fp16" in node.input] == ["Gather"]
    assert take_weights(module, file, tmp_path / "half.onnx")[1] == 0
    assert np.abs(module(ids).detach().numpy() - run(tmp_path / "half.onnx", ids)).max() < 1e-5


def test_a_weight_that_no_parameter_has_is_counted(vision, tmp_path):
    module, _, file = vision
    graph = onnx.load(file)
    tensor = next(t for t in graph.graph.initializer if len(t.dims) == 4 and t.dims[1] == 8)
    tensor.CopyFrom(numpy_helper.from_array(RNG.standard_normal(list(tensor.dims)).astype(np.float32), tensor.name))
    onnx.save(graph, tmp_path / "other.onnx")
    Plan().write(tmp_path / "other.onnx", tmp_path / "w8.onnx")
    assert take_weights(module, tmp_path / "other.onnx", tmp_path / "w8.onnx")[1] == 1


def test_weights_are_raised_where_it_gains_most_per_byte_and_only_as_far_as_there_is_room():
    sizes, errors = {"large": 10_000, "dear": 400, "cheap": 400}, {"large": 1e-3, "dear": 1e-3, "cheap": 1e-6}
    coarse = dict.fromkeys(sizes, "coarse")
    fine = {"large": "fine", "dear": "fine"}
    plan = Plan()
    raise_weights(plan, coarse, fine, errors, sizes, 0)  # room for 2,700 bytes: not for all of `large` in 16 bits
    assert plan.in_half == {"dear", "cheap"} and plan.int8["large"] == "fine"
    plan = Plan()
    raise_weights(plan, coarse, fine, errors, sizes, 1.5e-3)
    assert plan.in_half == set() and plan.int8 == {"large": "coarse", "dear": "fine", "cheap": "coarse"}
