"""Runs a signature with its variables as constants, in a session, as TF Serving runs a model. Imports TensorFlow.

A function of constants would hold ten copies of the weights, a session that optimises its own graph six. Here the
graph is optimised before the session takes it and emptied afterwards, and three are left.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.framework import attr_value_pb2
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2, rewriter_config_pb2
from tensorflow.python.framework import convert_to_constants
from tensorflow.python.grappler import tf_optimizer

from serving.memory import return_memory

Call = Callable[..., Sequence[NDArray[Any]]]
# What folds batch normalisation into convolutions. The second round is for convolutions whose bias is zero: it folds
# what the first has freed of the bias. The same nodes are left as by all of TensorFlow's optimisers. Each of them
# copies the weights, so all of them take a second more and 0.3 GiB.
_OPTIMIZERS = ("pruning", "function", "constfold", "arithmetic", "dependency")
_ROUNDS = rewriter_config_pb2.RewriterConfig.TWO
# Of constants of this size the optimisers only take seven copies more: these are tables of embeddings, which fold into
# nothing. The filters of convolutions, which do, have a tenth of it at most.
_LARGE_BYTES = 100_000_000


class NotFreezableError(ValueError):
    """A signature that needs more than its inputs and constants."""


def frozen(function: tf.types.experimental.ConcreteFunction) -> Call:
    """`function` over arrays, its inputs in order of name. Raises NotFreezableError, with the reason.

    Constants let TensorFlow fold batch normalisation into convolutions, and oneDNN reorder the filters only once.
    Measured on ResNet50: a call takes a sixth less time.
    """
    inputs = function.inputs[: -len(function.captured_inputs) or None]  # what the function captures comes last
    try:
        graph = _graph_of_constants(function, inputs)
        return _session_call(graph, inputs, function.outputs)
    except (ValueError, RuntimeError, KeyError, tf.errors.OpError) as error:
        raise NotFreezableError(str(error)) from error


def _graph_of_constants(function: tf.types.experimental.ConcreteFunction, inputs: Sequence[tf.Tensor]) -> tf.Graph:
    # `convert_variables_to_constants_v2` would make a function of this, and more copies of the weights.
    graph_def, converted = convert_to_constants._replace_variables_by_constants(  # noqa: SLF001 - see above
        convert_to_constants._FunctionConverterDataInEager(  # noqa: SLF001 - the same
            func=function, lower_control_flow=True, aggressive_inlining=False
        )
    )
    if len(converted) != len(function.captured_inputs):
        raise NotFreezableError("it uses resources other than variables")
    graph_def, large = _without_large_constants(graph_def)
    graph_def = _optimized(graph_def, inputs, function.outputs)
    for node in graph_def.node:
        if node.name in large:
            node.CopyFrom(large.pop(node.name))
    graph = tf.Graph()
    with graph.as_default():
        tf.graph_util.import_graph_def(graph_def, name="")
    return graph


def _without_large_constants(
    graph_def: tf.compat.v1.GraphDef,
) -> tuple[tf.compat.v1.GraphDef, dict[str, tf.compat.v1.NodeDef]]:
    """The graph with a placeholder for each large constant, and these constants by name."""
    without, large = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library), {}
    for node in graph_def.node:
        if node.op != "Const" or node.ByteSize() < _LARGE_BYTES:
            without.node.append(node)
            continue
        large[node.name] = deepcopy(node)
        placeholder = without.node.add(name=node.name, op="Placeholder")
        placeholder.attr["dtype"].CopyFrom(node.attr["dtype"])
        placeholder.attr["shape"].shape.CopyFrom(node.attr["value"].tensor.tensor_shape)
    return without, large


def _optimized(
    graph_def: tf.compat.v1.GraphDef, inputs: Sequence[tf.Tensor], outputs: Sequence[tf.Tensor]
) -> tf.compat.v1.GraphDef:
    meta_graph = meta_graph_pb2.MetaGraphDef(graph_def=graph_def)
    signature = meta_graph.signature_def["serving"]
    for tensors, infos in ((inputs, signature.inputs), (outputs, signature.outputs)):
        for tensor in tensors:
            infos[tensor.name].name = tensor.name
            infos[tensor.name].dtype = tensor.dtype.as_datatype_enum
            infos[tensor.name].tensor_shape.CopyFrom(tensor.shape.as_proto())
    config = tf.compat.v1.ConfigProto()
    rewrite = config.graph_options.rewrite_options
    rewrite.optimizers.extend(_OPTIMIZERS)
    rewrite.meta_optimizer_iterations = _ROUNDS
    return tf_optimizer.OptimizeGraph(config, meta_graph)


def _session_call(graph: tf.Graph, inputs: Sequence[tf.Tensor], outputs: Sequence[tf.Tensor]) -> Call:
    """What runs `graph`, whose constants it empties."""
    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=tf.config.threading.get_intra_op_parallelism_threads(),
        inter_op_parallelism_threads=tf.config.threading.get_inter_op_parallelism_threads(),
    )
    # Each saves a copy of the graph. The first also skips the optimiser, which has run.
    config.graph_options.place_pruned_graph = True
    config.experimental.disable_output_partition_graphs = True
    session = tf.compat.v1.Session(graph=graph, config=config)
    # Copies the graph now: a public call would do it with the first request, and need the constants until then.
    session._extend_graph()  # noqa: SLF001
    _empty_constants(graph)
    return_memory()  # or the session's constants, which come next, would keep the freed pages
    call: Call = session._make_callable_from_options(  # noqa: SLF001 - see above
        config_pb2.CallableOptions(feed=[tensor.name for tensor in inputs], fetch=[tensor.name for tensor in outputs])
    )
    return call


def _empty_constants(graph: tf.Graph) -> None:
    no_value = attr_value_pb2.AttrValue()
    for operation in graph.get_operations():
        if operation.type == "Const":
            operation._set_attr("value", no_value)  # noqa: SLF001 - nothing public changes an operation
