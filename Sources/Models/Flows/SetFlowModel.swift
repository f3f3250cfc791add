import NN
import System
import Tensors

/// Set-to-set flow matching: an encoder sees the surviving constituents of a jet, and a time-dependent
/// decoder generates the dropped ones, continuous features and identities, from noise. Of a jet that is
/// dropped whole the encoder gives its registers alone, and the decoder generates jets.
package struct SetFlowModel {
    /// What determines the parameters.
    package struct Shape: Sendable, Equatable {
        /// Continuous features of a constituent.
        package var features: Int
        /// The kinds of constituents.
        package var identities: Int
        /// What sees the survivors: the backbone.
        package var encoder: TransformerShape
        /// Its channels and context follow from the others.
        package var decoder: SetFlowDecoder.Shape

        package init(
            features: Int, identities: Int, encoder: TransformerShape, width: Int = 256, layers: Int = 4,
            heads: Int = 8, feedForwardMultiplier: Int = 2
        ) {
            self.features = features
            self.identities = identities
            self.encoder = encoder
            decoder = SetFlowDecoder.Shape(
                channels: features + identities, context: encoder.width, width: width, layers: layers,
                heads: heads,
                feedForwardMultiplier: feedForwardMultiplier)
        }
    }

    /// The part that downstream tasks keep.
    package let backbone: Backbone
    private let decoder: SetFlowDecoder
    private let shape: Shape

    package init(_ shape: Shape, in scope: ParameterScope) {
        self.shape = shape
        backbone = Backbone(
            features: shape.features, identities: shape.identities, blocks: .transformer(shape.encoder), in: scope)
        decoder = SetFlowDecoder(shape.decoder, in: scope.scope("decoder"))
    }

    /// Channels of a constituent as the decoder sees it: continuous features and one for each identity.
    package var channels: Int { shape.decoder.channels }

    /// The summed squared error of the velocity of the dropped constituents, over all their channels.
    ///
    /// - Parameters:
    ///   - noise: `[dropped, channels]`.
    ///   - times: one for each jet.
    ///   - scale: what the gradient of this sum counts in the total loss.
    package func loss(
        _ jets: MaskedConstituents, noise: Tensor, times: [Float], scale: Float, on tape: Tape
    ) -> Double {
        let offsets = jets.dropped.offsets
        invariant(times.count == offsets.jets, "\(times.count) times for \(offsets.jets) jets")
        let path = FlowMatchingPath(
            data: jets.dropped.oneHot(identities: shape.identities), noise: noise,
            times: (0..<offsets.jets).flatMap { repeatElement(times[$0], count: offsets[$0].count) })
        let encoded = backbone(jets.survivors, on: tape)
        let velocity = decoder.velocity(
            at: Variable(constant: path.position), offsets: offsets, times: times,
            context: decoder.context(encoded.output, on: tape), contextOffsets: encoded.offsets, on: tape)
        return tape.mseLoss(velocity, target: path.velocity, scale: scale)
    }

    /// Generates constituents that belong to the survivors of each jet.
    ///
    /// - Parameters:
    ///   - noise: `[generated, channels]`.
    ///   - offsets: where the constituents to generate begin in each jet.
    /// - Throws: what the solver throws.
    package func generate(
        given survivors: Constituents, from noise: Tensor, offsets: Offsets, solver: ODESolver
    ) throws -> Constituents {
        let tape = Tape(recording: false)
        let encoded = backbone(survivors, on: tape)
        let context = decoder.context(encoded.output, on: tape)
        let result = try solver.integrate(noise, offsets: offsets, from: 1, to: 0) { x, times in
            decoder.velocity(
                at: Variable(constant: x), offsets: offsets, times: times, context: context,
                contextOffsets: encoded.offsets, on: tape
            ).value
        }
        return Constituents(oneHot: result, features: shape.features, offsets: offsets)
    }
}

extension Constituents {
    /// Continuous features and one channel for each identity, 1 where it is the constituent's and 0
    /// elsewhere: `[tokens, features + identities]`.
    package func oneHot(identities count: Int) -> Tensor {
        let features = values.columns
        let result = Tensor(repeating: 0, shape: [values.rows, features + count])
        for token in 0..<values.rows {
            let row = result.pointer + token * (features + count)
            row.update(from: values.pointer + token * features, count: features)
            row[features + Int(identities[token])] = 1
        }
        return result
    }

    /// Constituents from such channels, each with the identity whose channel is largest.
    package init(oneHot channels: Tensor, features: Int, offsets: Offsets) {
        let (tokens, width) = (channels.rows, channels.columns)
        invariant(width > features, "\(width) channels hold no identities beside \(features) features")
        let values = Tensor(shape: [tokens, features])
        var identities: [Int32] = []
        identities.reserveCapacity(tokens)
        for token in 0..<tokens {
            let row = channels.pointer + token * width
            (values.pointer + token * features).update(from: row, count: features)
            let best = (features..<width).reduce(features) { row[$1] > row[$0] ? $1 : $0 }
            identities.append(Int32(best - features))
        }
        self.init(values: values, identities: identities, offsets: offsets)
    }
}
