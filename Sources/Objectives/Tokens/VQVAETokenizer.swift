import Jets
import Models
import MPI
import NN
import Tensors

/// Each constituent is its code in a trained VQ-VAE, which depends on all of its jet.
///
/// The weights come from a checkpoint; they rest, and are part of the state of whoever uses them.
public final class VQVAETokenizer: Tokenizer {
    static let stateName = "tokenizer"

    /// The weights.
    public let parameters: ParameterStore
    private let model: VQVAE
    private let shape: VQVAE.Shape

    public init(_ options: VQVAEOptions, features: Int) {
        shape = options.shape(features: features)
        let builder = ParameterBuilder()
        model = VQVAE(shape, in: builder.root)
        parameters = builder.build(seed: 0)
    }

    public var count: Int { shape.quantiser.codes }
    public var dimension: Int { shape.quantiser.dimension }
    public var isContextual: Bool { true }

    public func tokens(of jets: Constituents) -> [Int32] { model.codes(of: jets) }
    public func vectors(of tokens: [Int32]) -> Tensor { model.vectors(of: tokens) }

    /// The survivors have the codes that they have without the dropped.
    public func features(of tokens: [Int32], in jets: MaskedConstituents) -> Tensor {
        let survivors = self.tokens(of: jets.survivors)
        var (seen, hidden) = (0, 0)
        let codes = jets.isDropped.map { isDropped in
            defer { if isDropped { hidden += 1 } else { seen += 1 } }
            return isDropped ? tokens[hidden] : survivors[seen]
        }
        let decoded = model.decode(codes, offsets: jets.all.offsets)
        return Tape(recording: false).gatherRows([Variable(constant: decoded)], index: jets.droppedTokens).value
    }

    public func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws {}
    /// Several tasks may share the weights: whoever holds them keeps `weights`.
    public var state: ObjectiveState { ObjectiveState() }
    public func restore(_ state: ObjectiveState) throws {}

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
