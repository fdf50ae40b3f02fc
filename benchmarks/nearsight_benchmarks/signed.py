"""A TFLite file as a converter leaves it: its border tensors go by the names in its signature."""

from typing import Any

from ai_edge_litert.interpreter import Interpreter

__all__ = ["SignedInterpreter"]


class SignedInterpreter(Interpreter):  # type: ignore[misc]  # the library has no types
    """LiteRT's interpreter with inputs and outputs named as the file's signature names them."""

    def __init__(self, model_content: bytes, num_threads: int) -> None:
        super().__init__(model_content=model_content, num_threads=num_threads)
        # A live signature runner would stop `invoke`: another interpreter of the same file is asked.
        runner = Interpreter(model_content=model_content).get_signature_runner()
        details = {**runner.get_input_details(), **runner.get_output_details()}
        self._names = {detail["index"]: name for name, detail in details.items()}

    def get_input_details(self) -> list[dict[str, Any]]:
        """See `Interpreter`."""
        return [self._named(detail) for detail in super().get_input_details()]

    def get_output_details(self) -> list[dict[str, Any]]:
        """See `Interpreter`."""
        return [self._named(detail) for detail in super().get_output_details()]

    def _named(self, detail: dict[str, Any]) -> dict[str, Any]:
        return {**detail, "name": self._names[detail["index"]]}
