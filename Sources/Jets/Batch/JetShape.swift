/// The properties of jets that the shape of a network depends on.
package struct JetShape: Sendable, Equatable {
    /// The number of continuous features of a constituent.
    package var features: Int
    /// The columns of impact parameters among them.
    package var impactParameters: [Int]
    /// The largest number of constituents of a jet.
    package var maxConstituents: Int
    /// The number of identity classes.
    package var identities: Int
    /// The classes of the labels; nil if the objective does not use labels.
    package var classes: JetClasses?

    package init(
        features: Int, impactParameters: [Int] = [], maxConstituents: Int,
        identities: Int = Identities.particles.count, classes: JetClasses? = nil
    ) {
        self.features = features
        self.impactParameters = impactParameters
        self.maxConstituents = maxConstituents
        self.identities = identities
        self.classes = classes
    }

    /// The shape of jets with the given features.
    package init(_ features: JetFeatures, maxConstituents: Int, classes: JetClasses? = nil) {
        self.init(
            features: features.count, impactParameters: features.impactParameterColumns,
            maxConstituents: maxConstituents, identities: features.identities.count, classes: classes)
    }
}
