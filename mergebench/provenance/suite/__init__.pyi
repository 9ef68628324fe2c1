from .suite_builder import build_suite as build_suite
