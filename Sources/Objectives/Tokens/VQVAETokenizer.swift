import Jets
import Models
import MPI
import NN
import Tensors

/// Each constituent is its code in a trained VQ-VAE, which depends on all of its jet.
///
/// The weights come from a checkpoint; they rest, and are part of the state of whoever uses them.
package final class VQVAETokenizer: Tokenizer {
    static let stateName = "tokenizer"

    /// The weights.
    package let parameters: ParameterStore
    private let model: VQVAE
    private let shape: VQVAE.Shape

    package init(_ options: VQVAEOptions, features: Int) {
        shape = options.shape(features: features)
        let builder = ParameterBuilder()
        model = VQVAE(shape, in: builder.root)
        parameters = builder.build(seed: 0)
    }

    package var count: Int { shape.quantiser.codes }
    package var dimension: Int { shape.quantiser.dimension }
    package var isContextual: Bool { true }

    package func tokens(of jets: Constituents) -> [Int32] { model.codes(of: jets) }
    package func vectors(of tokens: [Int32]) -> Tensor { model.vectors(of: tokens) }

    /// The survivors have the codes that they have without the dropped.
    package func features(of tokens: [Int32], in jets: MaskedConstituents) -> Tensor {
        let survivors = self.tokens(of: jets.survivors)
        var (seen, hidden) = (0, 0)
        let codes = jets.isDropped.map { isDropped in
            defer { if isDropped { hidden += 1 } else { seen += 1 } }
            return isDropped ? tokens[hidden] : survivors[seen]
        }
        let decoded = model.decode(codes, offsets: jets.all.offsets)
        return Tape(recording: false).gatherRows([Variable(constant: decoded)], index: jets.droppedTokens).value
    }

    package func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {}
    /// Several tasks may share the weights: whoever holds them keeps `weights`.
    package var state: ObjectiveState { ObjectiveState() }
    package func restore(_ state: ObjectiveState) throws {}

    var weights: ObjectiveState {
        var state = ObjectiveState()
        for parameter in parameters.parameters { state.tensors[parameter.name] = parameter.variable.value }
        return state
    }

    func restore(weights state: ObjectiveState) throws {
        for parameter in parameters.parameters {
            let stored = try state.tensor(
                parameter.name, shape: parameter.shape, wanted: "the VQ-VAE of this configuration needs \(parameter.shape)")
            parameter.variable.value.pointer.update(from: stored.pointer, count: stored.count)
        }
    }
}
