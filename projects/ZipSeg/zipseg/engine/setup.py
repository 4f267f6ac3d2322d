"""Config files with their options, checked."""

import logging

import torch
from detectron2.config import CfgNode, get_cfg

from ..config import add_zip_config
from ..utils.config_files import get_config_file
from ..utils.errors import ConfigError
from ..utils.keys import merge_problem

logger = logging.getLogger(__name__)


def load_config(config_file: str, options: list[str] = ()) -> CfgNode:
    """A Detectron2 config with ZipSeg's keys, a file and KEY VALUE pairs merged in; on the CPU
    where there is no GPU. The file may be one that ships, by its relative name.

    Raises:
        ConfigError: no such file, or keys and values that do not fit.
    """
    cfg = get_cfg()
    add_zip_config(cfg)
    if config_file:
        config_file = get_config_file(config_file)
    try:
        if config_file:
            cfg.merge_from_file(config_file, allow_unsafe=False)  # YAML that runs nothing
        cfg.merge_from_list(list(options))
    except Exception as error:  # yacs and yaml raise anything from KeyError to AssertionError
        if "CENTERNET" in str(error) and "CENTERNET" not in cfg.MODEL:
            where = config_file if not options else f"{config_file} {' '.join(options)}"
            raise ConfigError(
                "--config-file", f"{where}: needs a package: pip install centernet2"
            ) from error
        raise merge_problem(error, cfg, options, config_file) from error
    if cfg.MODEL.DEVICE.startswith("cuda") and not torch.cuda.is_available():
        logger.warning("MODEL.DEVICE is %s but there is no GPU: using the CPU", cfg.MODEL.DEVICE)
        cfg.MODEL.DEVICE = "cpu"
    return cfg
