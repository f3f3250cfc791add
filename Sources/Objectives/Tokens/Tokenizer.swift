import Jets
import Models
import MPI
import Tensors

/// Names every constituent of a jet by one of a number of tokens.
package protocol Tokenizer: AnyObject {
    /// The number of tokens.
    var count: Int { get }
    /// Channels of the vector that stands for a token.
    var dimension: Int { get }
    /// Whether the token of a constituent depends on the others of its jet.
    var isContextual: Bool { get }

    /// The token of every constituent.
    func tokens(of jets: Constituents) -> [Int32]
    /// The vectors of some tokens, `[tokens.count, dimension]`.
    func vectors(of tokens: [Int32]) -> Tensor
    /// The features of dropped constituents that some tokens stand for beside the survivors, `[dropped, features]`.
    func features(of tokens: [Int32], in jets: MaskedConstituents) -> Tensor

    /// As in `Objective`.
    func fit(to jets: JetLoader, on communicator: Communicator, report: (String) -> Void) throws
    var state: ObjectiveState { get }
    func restore(_ state: ObjectiveState) throws
}

extension Tokenizer {
    package var isContextual: Bool { false }
    package func features(of tokens: [Int32], in jets: MaskedConstituents) -> Tensor { vectors(of: tokens) }

    /// The tokens of the dropped constituents.
    func tokens(ofDropped jets: MaskedConstituents) -> [Int32] {
        guard isContextual else { return tokens(of: jets.dropped) }
        let all = tokens(of: jets.all)
        return jets.droppedTokens.map { all[Int($0)] }
    }

    /// The jets with the vectors of the tokens in the place of the features.
    func replacingValues(of jets: Constituents) -> Constituents {
        Constituents(values: vectors(of: tokens(of: jets)), identities: jets.identities, offsets: jets.offsets)
    }
}
