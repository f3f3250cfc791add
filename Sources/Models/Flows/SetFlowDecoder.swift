import NN
import System
import Tensors

/// Transformer decoder for the flow-matching velocity of a set of constituents, given the time and the encoded
/// survivors of the jet (arXiv:2409.12589).
///
/// Each block has self-attention, cross-attention to the encoder's outputs, and SwiGLU, modulated by the time through
/// adaLN-zero (Peebles and Xie, arXiv:2212.09748). With classes, a learned vector for the class of the jet is added to
/// the embedded time. The output of an untrained decoder is zero.
package struct SetFlowDecoder {
    /// Hyperparameters.
    package struct Shape: Sendable, Equatable {
        /// Channels of a constituent: its continuous features, and one for each identity class.
        package var channels: Int
        /// Channels of the encoder's outputs.
        package var context: Int
        /// Channels of the blocks.
        package var width: Int
        /// Number of blocks.
        package var layers: Int
        /// Number of attention heads, a divisor of the width.
        package var heads: Int
        /// Ratio of the hidden width of the feed-forward network to the width.
        package var feedForwardMultiplier: Int
        /// Number of cosines that encode the time.
        package var timeFeatures: Int
        /// Number of classes of jets; 0 if the class is not an input.
        package var classes = 0

        /// One argument for each hyperparameter, with the defaults of arXiv:2409.12589.
        package init(
            channels: Int, context: Int, width: Int = 256, layers: Int = 4, heads: Int = 8,
            feedForwardMultiplier: Int = 2, timeFeatures: Int = 16
        ) {
            self.channels = channels
            self.context = context
            self.width = width
            self.layers = layers
            self.heads = heads
            self.feedForwardMultiplier = feedForwardMultiplier
            self.timeFeatures = timeFeatures
        }
    }

    private let shape: Shape
    private let input: Linear
    private let contextMap: Linear
    private let timeInput: Linear
    private let timeOutput: Linear
    private let classes: ParameterSlot?
    private let blocks: [ModulatedDecoderBlock]
    private let finalModulation: Linear
    private let output: Linear

    package init(_ shape: Shape, in scope: ParameterScope) {
        self.shape = shape
        let width = shape.width
        input = Linear(inputs: shape.channels, outputs: width, in: scope.scope("input"))
        contextMap = Linear(inputs: shape.context, outputs: width, in: scope.scope("context"))
        timeInput = Linear(inputs: shape.timeFeatures, outputs: width, in: scope.scope("time.input"))
        timeOutput = Linear(inputs: width, outputs: width, in: scope.scope("time.output"))
        classes =
            shape.classes == 0
            ? nil : scope.parameter("classes", shape: [shape.classes, width], .normal(deviation: 0.02))
        blocks = (0..<shape.layers).map {
            ModulatedDecoderBlock(
                width: width, heads: shape.heads, multiplier: shape.feedForwardMultiplier, condition: width,
                in: scope.scope("layers.\($0)"))
        }
        finalModulation = Linear(
            inputs: width, outputs: 2 * width, weight: .constant(0), bias: .constant(0),
            in: scope.scope("final_modulation"))
        output = Linear(
            inputs: width, outputs: shape.channels, weight: .constant(0), bias: .constant(0),
            in: scope.scope("output"))
    }

    /// Maps the encoder's outputs `[encoded tokens, context]` to the context of the blocks, `[encoded tokens, width]`;
    /// the same for all times.
    package func context(_ encoded: Variable, on tape: Tape) -> Variable { contextMap(encoded, on: tape) }

    /// dx/dt of the noisy constituents x, `[tokens, channels]`.
    ///
    /// - Parameters:
    ///   - times: one for each jet.
    ///   - labels: the class of each jet; empty without classes.
    ///   - context: result of `context(_:on:)`, `[encoded tokens, width]`.
    package func velocity(
        at x: Variable, offsets: Offsets, times: [Float], labels: [Int32] = [], context: Variable,
        contextOffsets: Offsets, on tape: Tape
    ) -> Variable {
        invariant(times.count == offsets.jets, "\(times.count) times for \(offsets.jets) jets")
        let time = Variable(constant: timeEncoding(times, features: shape.timeFeatures))
        var embedded = timeOutput(tape.silu(timeInput(time, on: tape)), on: tape)
        if let classes {
            invariant(labels.count == offsets.jets, "\(labels.count) classes of \(offsets.jets) jets")
            embedded = tape.add(embedded, tape.embedding(classes.variable, index: labels))
        }
        let condition = tape.silu(embedded)
        let packing = Packing(offsets)
        var h = input(x, on: tape)
        for block in blocks {
            h = block(
                h, packing: packing, context: context, contextOffsets: contextOffsets, condition: condition,
                on: tape)
        }
        let modulations = finalModulation(condition, on: tape)
        h = tape.modulatedNorm(h, modulations: modulations, shift: 0, offsets: offsets)
        return output(h, on: tape)
    }
}
