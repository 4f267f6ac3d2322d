import pytest
import torch

from zipseg.modeling.networks import precision


def product_dtype(autocast: torch.autocast) -> torch.dtype:
    with autocast:
        return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


@pytest.mark.parametrize(("native", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_bfloat16_is_for_cpus_that_compute_in_it(native, dtype, monkeypatch, caplog):
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: native)
    cpu = torch.device("cpu")
    assert product_dtype(precision.reduced_precision(cpu, True)) == dtype
    assert ("stays with float32" in caplog.text) == (not native)
    assert product_dtype(precision.reduced_precision(cpu, False)) == torch.float32


@pytest.mark.parametrize("name", ["avx512_bf16", "amx_bf16", "bf16"])
def test_the_backend_is_asked(name, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True}, raising=False)
    assert not precision.cpu_has_bfloat16()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {name: True}, raising=False)
    assert precision.cpu_has_bfloat16()
