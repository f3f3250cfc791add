import NN
import System
import Tensors

/// Set-to-set flow matching (Leigh et al., arXiv:2409.12589): an encoder sees the surviving constituents of a jet, and
/// a time-dependent decoder generates the features and identities of the dropped ones from noise.
///
/// If all constituents are dropped, the encoder's output is its registers, and the decoder generates whole jets.
package struct SetFlowModel {
    /// Hyperparameters.
    package struct Shape: Sendable, Equatable {
        /// Number of continuous features of a constituent.
        package var features: Int
        /// Number of identity classes.
        package var identities: Int
        /// Encoder of the survivors.
        package var encoder: TransformerShape
        /// Its channels and context follow from the other values.
        package var decoder: SetFlowDecoder.Shape

        /// One argument for each hyperparameter of the model and its decoder.
        package init(
            features: Int, identities: Int, encoder: TransformerShape, width: Int = 256, layers: Int = 4,
            heads: Int = 8, feedForwardMultiplier: Int = 2
        ) {
            self.features = features
            self.identities = identities
            self.encoder = encoder
            decoder = SetFlowDecoder.Shape(
                channels: features + identities, context: encoder.width, width: width, layers: layers,
                heads: heads, feedForwardMultiplier: feedForwardMultiplier)
        }
    }

    /// The encoder, which downstream tasks use.
    package let backbone: Backbone
    private let decoder: SetFlowDecoder
    private let shape: Shape

    package init(_ shape: Shape, in scope: ParameterScope) {
        self.shape = shape
        backbone = Backbone(
            features: shape.features, identities: shape.identities, blocks: .transformer(shape.encoder), in: scope)
        decoder = SetFlowDecoder(shape.decoder, in: scope.scope("decoder"))
    }

    /// Channels of a constituent in the decoder: its continuous features, and one for each identity class.
    package var channels: Int { shape.decoder.channels }

    /// Squared error of the velocity, summed over the dropped constituents and their channels.
    ///
    /// - Parameters:
    ///   - noise: `[dropped, channels]`.
    ///   - times: one for each jet.
    ///   - labels: the class of each jet; empty without classes.
    ///   - scale: factor of this sum in the total loss.
    package func loss(
        _ jets: MaskedConstituents, noise: Tensor, times: [Float], labels: [Int32] = [], scale: Float, on tape: Tape
    ) -> Double {
        let offsets = jets.dropped.offsets
        invariant(times.count == offsets.jets, "\(times.count) times for \(offsets.jets) jets")
        let path = FlowMatchingPath(
            data: jets.dropped.oneHot(identities: shape.identities), noise: noise,
            times: (0..<offsets.jets).flatMap { repeatElement(times[$0], count: offsets[$0].count) })
        let encoded = backbone(jets.survivors, on: tape)
        let velocity = decoder.velocity(
            at: Variable(constant: path.position), offsets: offsets, times: times, labels: labels,
            context: decoder.context(encoded.output, on: tape), contextOffsets: encoded.offsets, on: tape)
        return tape.mseLoss(velocity, target: path.velocity, scale: scale)
    }

    /// Generates constituents of jets, given the survivors of each jet. Throws `ODESolver.Failure`.
    ///
    /// - Parameters:
    ///   - noise: `[generated, channels]`.
    ///   - offsets: offsets of the jets in the generated constituents.
    ///   - labels: the class of each jet; empty without classes.
    package func generate(
        given survivors: Constituents, from noise: Tensor, offsets: Offsets, labels: [Int32] = [],
        solver: ODESolver
    ) throws -> Constituents {
        let tape = Tape(recording: false)
        let encoded = backbone(survivors, on: tape)
        let context = decoder.context(encoded.output, on: tape)
        let result = try solver.integrate(noise, offsets: offsets, from: 1, to: 0) { x, times in
            decoder.velocity(
                at: Variable(constant: x), offsets: offsets, times: times, labels: labels, context: context,
                contextOffsets: encoded.offsets, on: tape
            ).value
        }
        return Constituents(oneHot: result, features: shape.features, offsets: offsets)
    }
}

extension Constituents {
    /// Continuous features and one-hot identities, `[tokens, features + identities]`.
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

    /// Constituents from features and identity channels, `[tokens, features + identities]`; the identity is the channel
    /// with the largest value.
    package init(oneHot channels: Tensor, features: Int, offsets: Offsets) {
        let (tokens, width) = (channels.rows, channels.columns)
        invariant(width > features, "\(width) channels have no room for identities after \(features) features")
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
