"""Int8 decoders of a network whose activations have outliers, as real language models have."""

import numpy as np
import onnx
import pytest
import torch

from mclip_export import linear_forms
from mclip_export.architectures import FastVlm, Qwen2
from mclip_export.channel_scaling import LinearInputs, scaled
from mclip_export.fastvlm_network import language_model
from mclip_export.file_weights import decoder_tensors
from mclip_export.onnx_session import cosines, make_session
from mclip_export.outlier_copies import MOST, copies
from mclip_export.qwen2_graph import write_decoder
from mclip_export.random_weights import draw_decoder_weights
from mclip_export.verify_vlm import teacher_forced

SMALL = Qwen2(hidden=256, layers=6, heads=4, kv_heads=2, intermediate=1024, rows=2048, context=512)
READ = 0.75  # by how much of an outlier its readers' weights are smaller


def some(count, most):
    return torch.randperm(most)[:count]


def add_outliers(model):
    """In every layer: three channels of each norm 12 to 30 times larger, two of the MLP 60 times, two values 15 times."""
    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        readers = {layer.input_layernorm: (attention.q_proj, attention.k_proj, attention.v_proj),
                   layer.post_attention_layernorm: (mlp.gate_proj, mlp.up_proj)}  # fmt: skip
        for norm, layers in readers.items():
            channels, factor = some(3, SMALL.hidden), 12 + 18 * torch.rand(3)
            norm.weight[channels] *= factor
            for reader in layers:
                reader.weight[:, channels] /= factor**READ
        channels = some(2, SMALL.intermediate)
        mlp.up_proj.weight[channels] *= 60
        mlp.down_proj.weight[:, channels] /= 60**READ
        for channel in some(2, SMALL.kv_heads * SMALL.head_dim).tolist():
            attention.v_proj.weight[channel] *= 15
            attention.v_proj.bias[channel] *= 15
            group, place = divmod(channel, SMALL.head_dim)
            heads = torch.arange(SMALL.heads // SMALL.kv_heads) + group * (SMALL.heads // SMALL.kv_heads)
            attention.o_proj.weight[:, heads * SMALL.head_dim + place] /= 15**READ


def sequences(model, count, seed):
    ids = torch.randint(0, SMALL.rows, (count, 64), generator=torch.Generator().manual_seed(seed))
    return model.model.embed_tokens.weight[ids]


@pytest.fixture(scope="module")
@torch.no_grad()
def network():
    torch.manual_seed(0)
    model = language_model(FastVlm("outliers", SMALL, sizes=(128,)))
    draw_decoder_weights(model, SMALL.rows)
    add_outliers(model)
    seen = LinearInputs(model)
    for one in sequences(model, 6, 1):
        model(inputs_embeds=one[None], use_cache=False)
    weights = {name.removeprefix("model."): tensor for name, tensor in model.state_dict().items()}
    return model, weights, seen.close()


@torch.no_grad()
def least_cosine(model, file):
    session = make_session(file)
    found = []
    for one in sequences(model, 4, 2).numpy():
        exact = model(inputs_embeds=torch.from_numpy(one[None]), logits_to_keep=17).logits[0].numpy()
        found.append(cosines(teacher_forced(session, one[None, :48], one[48:])[0], exact))
    return np.concatenate(found).min()


def test_copies_keep_outliers_from_spoiling_the_rest(network, tmp_path, monkeypatch):
    model, weights, inputs = network
    prepared = scaled(SMALL, weights, inputs, copies)
    write_decoder(SMALL, prepared, "q8", tmp_path / "q8.onnx", prepared.columns)
    faithful = least_cosine(model, tmp_path / "q8.onnx")
    naive = dict.fromkeys(linear_forms.SITES, linear_forms.DynamicInt8Linear())
    monkeypatch.setitem(linear_forms.FORMS, "q8", naive)
    monkeypatch.delitem(linear_forms.FINE_FORMS, "q8")
    write_decoder(SMALL, weights, "q8", tmp_path / "naive.onnx")
    print(f"least cosine {faithful:.5f}; with one scale for a matrix {least_cosine(model, tmp_path / 'naive.onnx'):.5f}")
    assert faithful >= 0.999
    assert least_cosine(model, tmp_path / "naive.onnx") < 0.99


def test_rows_of_weights_are_no_multiple_of_512_bytes_apart(network, tmp_path):
    """SMALL's gate and up are 2048 columns together; zeros follow, and no output has them."""
    _, weights, _ = network
    write_decoder(SMALL, weights, "q8", tmp_path / "q8.onnx")
    model = onnx.load(tmp_path / "q8.onnx")
    widths = {node.input[1]: node for node in model.graph.node if node.op_type in ("MatMulInteger", "DynamicQuantizeMatMul")}
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer if tensor.name in widths}
    wide = [values for values in stored.values() if values.shape[1] > 2 * SMALL.intermediate and len(values) == SMALL.hidden]
    assert len(wide) == SMALL.layers
    assert all(values.shape[1] == 2 * SMALL.intermediate + 64 and (values[:, -64:] == 128).all() for values in wide)


def test_copies_are_few_and_for_outliers_only(network):
    _, weights, inputs = network
    name = "layers.0.self_attn.q_proj"
    counts = copies(inputs[name], weights[f"{name}.weight"], torch.arange(SMALL.hidden))
    largest = inputs[name].abs().amax(0)
    assert counts.max() > 2
    assert counts.sum() <= (1 + MOST) * SMALL.hidden
    assert (counts[largest <= largest.median()] == 1).all()
    even = torch.randn(400, SMALL.hidden)
    assert (copies(even, torch.randn(8, SMALL.hidden), torch.arange(SMALL.hidden)) == 1).all()


def test_attention_of_the_first_layers_is_rounded_twice_as_finely(network, tmp_path):
    _, weights, inputs = network
    prepared = scaled(SMALL, weights, inputs, copies)
    write_decoder(SMALL, prepared, "q8", tmp_path / "q8.onnx", prepared.columns)
    stored = dict(decoder_tensors(tmp_path / "q8.onnx", SMALL))

    def steps(name):
        """Largest error of a row in parts of its largest weight: half a step."""
        exact = prepared[f"{name}.weight"].numpy()
        error = np.abs(stored[f"model.{name}.weight"] - exact).max(1)
        return np.median(error / np.abs(exact).max(1))

    layers = [f"layers.{i}.self_attn.o_proj" for i in range(SMALL.layers)]
    assert [round(steps(layers[-1]) / steps(name)) for name in layers] == [2, 2, 1, 1, 1, 1]
    graph = onnx.load(tmp_path / "q8.onnx").graph
    counts = [sum(node.op_type == op for node in graph.node) for op in ("MatMulInteger", "DynamicQuantizeMatMul")]
    assert counts == [3 * SMALL.layers + 1, SMALL.layers]  # and `gate_up` of the first layer; the head is not
