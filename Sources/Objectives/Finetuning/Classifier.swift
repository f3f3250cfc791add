import Configuration
import Jets
import Models
import NN
import Tensors

/// Section `head` of a task that classifies jets.
package struct ClassifierOptions: Sendable, Equatable {
    package enum Name: String, CaseIterable, Sendable {
        /// A class token that attends to the backbone's outputs (version 2).
        case classAttention = "class_attention"
        /// A weighted mean over the backbone's outputs and a linear map (version 1, and the linear probe).
        case weightedPooling = "weighted_pooling"
        /// A linear map without bias, the mean over the backbone's outputs, and a linear map (code of version 1).
        case meanPooling = "mean_pooling"
    }

    package var name = Name.classAttention
    /// Shape of the head `class_attention`; its inputs and outputs are set when the head is built.
    package var attention = ClassAttentionPooling.Shape(inputs: 0, outputs: 0)
    /// Channels of the mean in the head `mean_pooling`.
    package var meanWidth = 512

    package init() {}

    /// Decodes the section. Throws `ConfigurationError`.
    package init(from section: Section) throws {
        name = try section.choice(
            "name", of: Name.self, default: name,
            help: "classification head: a class token that attends to the constituents (version 2), a weighted mean "
                + "and a linear map (version 1), or a plain mean between two linear maps (code of version 1)")
        if name == .meanPooling {
            meanWidth = try section.int("width", default: meanWidth, in: 1...4096, help: "channels")
        }
        guard name == .classAttention else { return }
        attention.width = try section.int("width", default: attention.width, in: 1...4096, help: "channels")
        attention.layers = try section.int("layers", default: attention.layers, in: 1...8, help: "number of blocks")
        attention.heads = try section.heads(default: attention.heads, dividing: attention.width)
        attention.feedForwardMultiplier = try section.feedForwardMultiplier(default: attention.feedForwardMultiplier)
        attention.dropout = try section.dropout(default: attention.dropout)
        let hidden = attention.width * attention.feedForwardMultiplier
        guard attention.dropout == 0 || hidden <= TokenKeys.channels else {
            throw section.error(
                "feedforward_multiplier",
                "the feed-forward networks have \(hidden) channels; there is dropout for up to \(TokenKeys.channels), "
                    + "or set dropout to 0")
        }
        attention.hasNorm = try section.bool(
            "norm", default: attention.hasNorm,
            help: "normalise the class token before attention and feed-forward network")
    }
}

/// Classification head for jets: the backbone's outputs for a jet to one logit for each class.
struct Classifier {
    private enum Head {
        case classAttention(ClassAttentionPooling)
        case weightedPooling(WeightedPoolingHead)
        case meanPooling(MeanPoolingHead)
    }

    /// First dropout place of the head, after those of any backbone (`TokenKeys`).
    static let dropoutPlace = 112

    private let head: Head
    private let hasDropout: Bool
    private let seed: UInt64

    init(_ options: ClassifierOptions, inputs: Int, classes: Int, seed: UInt64, in scope: ParameterScope) {
        self.seed = seed
        switch options.name {
        case .classAttention:
            var shape = options.attention
            (shape.inputs, shape.outputs) = (inputs, classes)
            head = .classAttention(ClassAttentionPooling(shape, dropoutPlace: Self.dropoutPlace, in: scope))
            hasDropout = shape.dropout > 0
        case .weightedPooling:
            head = .weightedPooling(WeightedPoolingHead(width: inputs, classes: classes, in: scope))
            hasDropout = false
        case .meanPooling:
            head = .meanPooling(MeanPoolingHead(width: inputs, hidden: options.meanWidth, classes: classes, in: scope))
            hasDropout = false
        }
    }

    /// Logits, `[jets, classes]`.
    func callAsFunction(
        _ encoded: EncodedJets, _ batch: JetBatch, phase: Phase, on tape: Tape
    ) -> Variable {
        switch head {
        case .weightedPooling(let head): return head(encoded.output, offsets: encoded.offsets, on: tape)
        case .meanPooling(let head): return head(encoded.output, offsets: encoded.offsets, on: tape)
        case .classAttention(let head):
            let keys =
                hasDropout && phase.isTraining
                ? TokenKeys(
                    seed: seed, epoch: batch.epoch, jets: batch.jets,
                    offsets: Offsets(counts: repeatElement(1, count: batch.count))) : nil
            return head(encoded.output, offsets: encoded.offsets, keys: keys, on: tape)
        }
    }
}
