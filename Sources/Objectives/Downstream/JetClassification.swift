import Configuration
import Jets
import Models
import NN
import Tensors

/// Tells the classes of jets apart: a head on the backbone's outputs, and cross-entropy.
public final class JetClassification: Predicting {
    /// The configuration with `objective: classification`.
    public struct Options: Sendable, Equatable {
        public var backbone: BackboneOptions
        public var fineTuning: FineTuning
        public var head: ClassifierOptions
        public var labelSmoothing = 0.1

        /// Decodes the sections from the root. Throws `ConfigurationError`.
        public init(from root: Section, backbone: BackboneOptions?, tokenizer: VQVAEOptions?) throws {
            fineTuning = try FineTuning(from: root)
            self.backbone = try BackboneOptions(
                from: root.section("model"), pretrained: backbone, tokenizer: tokenizer)
            head = try ClassifierOptions(from: root.section("head"))
            labelSmoothing = try root.section("classification").double(
                "label_smoothing", default: labelSmoothing, in: .zeroToOne)
        }
    }

    public let parameters: ParameterStore
    public let terms = [LossTerm(name: "classification", weight: 1), LossTerm(measure: "accuracy")]
    private let options: Options
    private let backbone: DownstreamBackbone
    private let head: Classifier
    private let classes: JetClasses

    public init(_ options: Options, _ jets: JetShape, seed: UInt64) {
        guard let classes = jets.classes else { preconditionFailure("a classification without classes") }
        self.options = options
        self.classes = classes
        let builder = ParameterBuilder()
        backbone = DownstreamBackbone(options.backbone, options.fineTuning, jets, seed: seed, in: builder)
        head = Classifier(
            options.head, inputs: backbone.width, classes: classes.count, in: builder.root.scope("head"))
        parameters = builder.build(seed: seed)
    }

    public func learningRateFactors(step: Int) -> [Double] { backbone.learningRateFactors(step: step) }

    public func prepare(_ batch: JetBatch, phase: Phase) -> MicroBatch {
        let jets = Double(batch.count)
        return MicroBatch(counts: [jets, jets]) { [self] scales, tape in
            let logits = logits(batch, phase: phase, on: tape)
            // Before the loss, which puts the gradient in the place of the logits.
            let right = zip(logits.value.argmaxOfRows(), batch.labels).count { $0 == $1 }
            let loss = tape.crossEntropy(
                logits, target: batch.labels, smoothing: Float(options.labelSmoothing), scale: scales[0])
            return [loss, Double(right)]
        }
    }

    private func logits(_ batch: JetBatch, phase: Phase, on tape: Tape) -> Variable {
        let encoded = backbone(batch, phase: phase, on: tape)
        return head(encoded.output, offsets: encoded.offsets, on: tape)
    }

    public var state: ObjectiveState { backbone.state }
    public func restore(_ state: ObjectiveState) throws { try backbone.restore(state) }
    public func adopt(backbone state: ObjectiveState) throws { try backbone.restore(state) }

    public func predict(_ batch: JetBatch, _ preprocessing: any Preprocessing) -> Predictions {
        let logits = logits(batch, phase: .validation, on: Tape(recording: false))
        return Predictions([
            "scores": .init(logits.value.softmaxOfRows()), "labels": .init(batch.labels.map { Int($0) }),
        ])
    }

    public func measures(of predictions: Predictions) -> [Measure] {
        []
    }
}
