import Configuration

/// A setting of a run as the plugin HParams of TensorBoard compares it: a number, a truth value or a word.
package struct Hyperparameter {
    package let name: String
    /// The value as YAML on one line.
    private let value: String

    /// Settings that do not change what is trained, or that are no single values.
    private static let omitted = [
        "run", "parallel", "evaluate", "data.train", "data.validation", "data.test", "training.tensorboard",
        "training.log_interval", "training.checkpoint_interval", "training.keep_last", "training.keep_every",
        "training.profile_rank", "training.profile_steps", "training.detect_anomaly", RunOptions.backboneKey,
    ]

    /// The settings of a run.
    package static func all(of configuration: Configuration) -> [Hyperparameter] {
        configuration.settings.filter { !$0.isIn(omitted) && $0.value != "null" }
            .map { Hyperparameter(name: $0.key, value: $0.value) }
    }

    /// A `google.protobuf.Value`.
    var message: ProtobufMessage {
        var message = ProtobufMessage()
        if let number = Double(value), number.isFinite {
            message.add(2, number)
        } else if value == "true" || value == "false" {
            message.add(4, value == "true" ? 1 : 0)
        } else {
            message.add(3, value)
        }
        return message
    }
}
