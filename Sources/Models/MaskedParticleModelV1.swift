import NN
import Tensors

/// The first version of masked particle modelling (Golling et al., arXiv:2401.13537), in the manner of BERT:
/// a learned token takes the place of masked constituents behind the embedding, the backbone sees all, and a
/// perceptron recovers each masked constituent from the backbone's output at its place.
///
/// Masked constituents of one jet differ only by their place in the order of pT, which a learned position
/// tells.
public struct MaskedParticleModelV1 {
    /// What determines the parameters.
    public struct Shape: Sendable, Equatable {
        /// The width of the values that stand for a constituent at the input.
        public var features: Int
        /// The width of the head's output: tokens to tell apart, or values to regress.
        public var outputs: Int
        /// The most constituents a jet can have, hence learned positions.
        public var maxConstituents: Int
        public var position: PositionPlace
        public var encoder: NormformerShape
        /// The hidden width of the head.
        public var headWidth: Int

        /// - Parameter headWidth: the encoder's width when nil.
        public init(
            features: Int, outputs: Int, maxConstituents: Int, position: PositionPlace = .head,
            encoder: NormformerShape = NormformerShape(), headWidth: Int? = nil
        ) {
            self.features = features
            self.outputs = outputs
            self.maxConstituents = maxConstituents
            self.position = position
            self.encoder = encoder
            self.headWidth = headWidth ?? encoder.width
        }
    }

    /// The part that downstream tasks keep.
    public let backbone: NormformerBackbone
    private let maskToken: ParameterSlot
    private let headPosition: LearnedPosition?
    private let head: MLP

    public init(_ shape: Shape, in scope: ParameterScope) {
        let width = shape.encoder.width
        backbone = NormformerBackbone(
            features: shape.features, places: shape.position == .backbone ? shape.maxConstituents : nil,
            encoder: shape.encoder, in: scope)
        maskToken = scope.parameter("mask_token", shape: [1, width], .normal(deviation: 0.02))
        let headScope = scope.scope("head")
        headPosition = shape.position == .head
            ? LearnedPosition(places: shape.maxConstituents, width: width, in: headScope) : nil
        head = MLP(widths: [width, shape.headWidth, shape.outputs], in: headScope)
    }

    /// The head's outputs, `[tokens.count, outputs]`, at the given tokens.
    ///
    /// - Parameters:
    ///   - isMasked: one flag a token of the jets: whether the backbone sees the mask token instead.
    ///   - tokens: where the head runs, in rising order; usually the masked ones.
    ///   - keys: the random numbers of dropout, one key for each token; nil outside of training.
    public func callAsFunction(
        _ jets: Constituents, isMasked: [Bool], at tokens: [Int32], keys: TokenKeys? = nil, on tape: Tape
    ) -> Variable {
        precondition(isMasked.count == jets.offsets.tokens, "one flag a token")
        let embedded = backbone.embed(jets.values, on: tape)
        let maskRow = Int32(isMasked.count)
        let index = isMasked.enumerated().map { $1 ? maskRow : Int32($0) }
        let input = tape.gatherRows([embedded, maskToken.variable], index: index)
        let encoded = backbone.encode(input, offsets: jets.offsets, keys: keys, on: tape)
        var picked = tape.gatherRows([encoded], index: tokens)
        if let headPosition {
            let places = jets.offsets.places
            picked = headPosition(picked, places: tokens.map { places[Int($0)] }, on: tape)
        }
        return head(picked, on: tape)
    }
}
