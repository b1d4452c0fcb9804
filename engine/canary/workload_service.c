/*
 * workload_service.c - the three Services of a canary: the apex that users call, the primary's, and
 * the canary's.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "canary/workload_meta.h"

static bool is_service_port(const struct canary_spec *spec, const cJSON *port)
{
	if (spec->target_port == NULL)
		return json_int(port, "containerPort", 0) == spec->port;
	if (cJSON_IsNumber(spec->target_port))
		return json_int(port, "containerPort", 0) == spec->target_port->valueint;
	return text_equal(json_string(port, "name"), cJSON_GetStringValue(spec->target_port));
}

/* A Service has each number once, whoever listens there, and each name. */
static bool is_taken(const struct canary_spec *spec, const cJSON *ports, long number)
{
	const cJSON *port;
	if (number == spec->port)
		return true;
	cJSON_ArrayForEach(port, ports)
	{
		if (json_int(port, "port", 0) == number)
			return true;
	}
	return false;
}

static void add_port(cJSON *ports, const char *name, long number)
{
	cJSON *port;
	size_t at = 0;
	cJSON_ArrayForEach(port, ports)
	{
		if (text_equal(json_string(port, "name"), name)) {
			json_put_number(port, "port", (double)number);
			return;
		}
	}
	cJSON_ArrayForEach(port, ports)
	{
		if (strcmp(json_string_or(port, "name", ""), name) > 0)
			break;
		at++;
	}
	cJSON *added = cJSON_CreateObject();
	json_put_string(added, "name", name);
	json_put_number(added, "port", (double)number);
	json_insert(ports, at, added);
}

cJSON *workload_ports(const struct canary_spec *spec, const cJSON *target)
{
	cJSON *ports = cJSON_CreateArray();
	if (!json_bool(spec->service, "portDiscovery", false))
		return ports;
	const cJSON *container, *port;
	cJSON_ArrayForEach(container, json_at(target, "spec.template.spec.containers"))
	{
		const char *name = json_string_or(container, "name", "");
		int index = 0;
		if (strcmp(name, "istio-proxy") == 0 || strcmp(name, "envoy") == 0)
			continue;
		cJSON_ArrayForEach(port, json_get(container, "ports"))
		{
			char made[80];
			snprintf(made, sizeof(made), "tcp-%.60s-%d", name, index++);
			long number = json_int(port, "containerPort", 0);
			if (is_service_port(spec, port) || is_taken(spec, ports, number))
				continue;
			const char *own = json_string_or(port, "name", made);
			add_port(ports, strcmp(own, spec->port_name) == 0 ? made : own, number);
		}
	}
	return ports;
}

static double live_node_port(const cJSON *live, const char *name)
{
	const cJSON *port;
	cJSON_ArrayForEach(port, json_at(live, "spec.ports"))
	{
		if (text_equal(json_string(port, "name"), name))
			return json_number(port, "nodePort", 0);
	}
	return 0;
}

static cJSON *service_port(const cJSON *live, const char *name, double number,
			   cJSON *owned_target_port)
{
	cJSON *port = cJSON_CreateObject();
	json_put_string(port, "name", name);
	json_put_string(port, "protocol", "TCP");
	json_put_number(port, "port", number);
	json_put(port, "targetPort", owned_target_port);
	double node_port = live_node_port(live, name);
	if (node_port > 0)
		json_put_number(port, "nodePort", node_port);
	return port;
}

static cJSON *service_ports(const struct canary_spec *spec, const cJSON *discovered,
			    const cJSON *live)
{
	cJSON *ports = cJSON_CreateArray();
	cJSON *target_port = spec->target_port == NULL ? cJSON_CreateNumber(spec->port)
						       : cJSON_Duplicate(spec->target_port, true);
	cJSON *first = service_port(live, spec->port_name, spec->port, target_port);
	const char *protocol = json_string_or(spec->service, "appProtocol", "");
	if (protocol[0] != '\0')
		json_put_string(first, "appProtocol", protocol);
	cJSON_AddItemToArray(ports, first);
	const cJSON *port;
	cJSON_ArrayForEach(port, discovered)
	{
		double number = json_number(port, "port", 0);
		cJSON_AddItemToArray(ports, service_port(live, json_string_or(port, "name", ""),
							 number, cJSON_CreateNumber(number)));
	}
	return ports;
}

/* Keys that are somebody else's, where they are there, stay as they are. */
static void leave_unmanaged(const struct canary_spec *spec, cJSON *service, const cJSON *live)
{
	static const char *const members[] = {"labels", "annotations"};
	const cJSON *unmanaged = json_get(spec->service, "unmanagedMetadata"), *key;
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		cJSON *wanted = json_get(json_get(service, "metadata"), members[i]);
		const cJSON *there = json_get(json_get(live, "metadata"), members[i]);
		cJSON_ArrayForEach(key, json_get(unmanaged, members[i]))
		{
			const char *name = cJSON_GetStringValue(key);
			const char *value =
				name == NULL ? NULL : cJSON_GetStringValue(json_get(there, name));
			if (value != NULL && json_get(wanted, name) != NULL)
				meta_set(wanted, name, value);
		}
	}
}

cJSON *workload_service(const struct canary_spec *spec, enum service_role role,
			const struct selector_label *label, const cJSON *ports, const cJSON *live)
{
	static const char *const members[] = {[SERVICE_CANARY] = "canary",
					      [SERVICE_PRIMARY] = "primary",
					      [SERVICE_APEX] = "apex"};
	const char *name = role == SERVICE_CANARY    ? spec->canary
			   : role == SERVICE_PRIMARY ? spec->primary
						     : spec->apex;
	cJSON *service = meta_object(spec, "v1", "Service", name);
	SCOPED(text)
	char *value = xasprintf("%s%s", label->value, role == SERVICE_CANARY ? "" : "-primary");
	cJSON *selector = cJSON_CreateObject();
	meta_set(selector, label->key, value);
	json_put(service, "spec.ports", service_ports(spec, ports, live));
	json_put(service, "spec.selector", selector);
	if (live != NULL && !workload_is_owned(spec, live)) {
		json_remove(service, "metadata.ownerReferences");
		meta_unmanaged(service);
		leave_unmanaged(spec, service, live);
		return service;
	}
	/* Whoever makes it another one wants it so. */
	if (text_equal(json_string_or(live, "spec.type", "ClusterIP"), "ClusterIP"))
		json_put_string(service, "spec.type", "ClusterIP");
	/* Nobody can change that of one that is there. */
	if (json_bool(spec->service, "headless", false) &&
	    text_equal(json_string_or(live, "spec.clusterIP", "None"), "None"))
		json_put_string(service, "spec.clusterIP", "None");
	const char *distribution = json_string_or(spec->service, "trafficDistribution", "");
	if (distribution[0] != '\0')
		json_put_string(service, "spec.trafficDistribution", distribution);
	const cJSON *custom = json_get(spec->service, members[role]);
	cJSON *labels = cJSON_Duplicate(json_get(custom, "labels"), true);
	if (!cJSON_IsObject(labels)) {
		cJSON_Delete(labels);
		labels = cJSON_CreateObject();
	}
	meta_set(labels, label->key, name);
	json_put(service, "metadata.labels", labels);
	const cJSON *annotations = json_get(custom, "annotations");
	if (cJSON_IsObject(annotations))
		json_put(service, "metadata.annotations", cJSON_Duplicate(annotations, true));
	meta_unmanaged(service);
	leave_unmanaged(spec, service, live);
	return service;
}
