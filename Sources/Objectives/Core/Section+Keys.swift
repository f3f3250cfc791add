import Configuration

/// Keys that several sections have.
extension Section {
    /// Attention heads, a divisor of the width.
    func heads(default: Int, dividing width: Int) throws -> Int {
        let heads = try int(
            "heads", default: `default`, in: 1...1024, help: "attention heads; they must divide the width")
        guard width % heads == 0 else {
            throw error("heads", "a width of \(width) cannot be divided among \(heads) heads")
        }
        return heads
    }

    /// Hidden width of the feed-forward networks in units of the width.
    func feedForwardMultiplier(default: Int) throws -> Int {
        try int(
            "feedforward_multiplier", default: `default`, in: 1...64,
            help: "hidden width of the feed-forward networks relative to `width`")
    }

    /// A dropout rate, far enough from 1 that `Tape.dropout`, which draws sixteen bits, keeps some elements.
    func dropout(default: Double) throws -> Double {
        try double("dropout", default: `default`, in: 0...0.99998, help: "dropout rate")
    }

    /// The weight of the loss of a reconstruction task.
    func weight(default: Double) throws -> Double {
        try double("weight", default: `default`, in: .nonNegative, help: "weight of the loss in the total loss")
    }

    /// The label smoothing of a cross-entropy.
    func labelSmoothing(default: Double) throws -> Double {
        try double(
            "label_smoothing", default: `default`, in: .zeroToOne,
            help: "part of the target that is spread evenly over all classes")
    }
}
